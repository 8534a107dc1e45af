"""What may be submitted: a file by its path, a text, a mapping, or what is read already."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftctl.errors import BadInput
from ftctl.jobfile import JobFile

JobSource = JobFile | Path | str | Mapping[str, Any]
"""A job: read already, the path of its file, its text, or a mapping.

A str with a line break in it, or that begins with `{`, is the job's text; any other is a path.
"""


def job_file(source: JobSource, overrides: Mapping[str, Any] | None = None) -> JobFile:
    """Read a job. Raises BadJobFile or BadInput where it cannot be read."""
    match source:
        case JobFile() if overrides:
            raise BadInput("a JobFile is read already; give its overrides to JobFile.read")
        case JobFile():
            return source
        case str() if _is_text(source):
            return JobFile.parse(source, overrides=overrides)
        case str() | Path():
            return JobFile.read(source, overrides=overrides)
        case _:
            return JobFile.of(source, overrides=overrides)


def _is_text(source: str) -> bool:
    return "\n" in source or source.lstrip().startswith("{")
