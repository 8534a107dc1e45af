"""A job as JSON: stable names in snake_case, times in UTC."""

import dataclasses
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ftctl.models import Job


def job(standing: Job) -> str:
    """Return a whole job."""
    return json.dumps(_fields(standing), indent=2, ensure_ascii=False)


def jobs(standings: Sequence[Job]) -> str:
    """Return jobs as an array, as the daemon lists them: without what is long."""
    return json.dumps([_fields(item) for item in standings], indent=2, ensure_ascii=False)


def _fields(standing: Job) -> dict[str, Any]:
    fields: dict[str, Any] = _plain(dataclasses.asdict(standing))
    if fields["outcome"]:
        # Where a fault stands in a file is not the job's to know.
        for fault in fields["outcome"]["faults"]:
            del fault["place"]
    return fields


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case datetime():
            return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case _:
            return value
