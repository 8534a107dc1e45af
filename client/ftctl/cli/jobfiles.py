"""Several jobs at once: of several files, and of several documents in one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ftctl import jobfile
from ftctl.errors import BadInput, BadJobFile, Fault, InvalidJob
from ftctl.jobfile import JobFile

# At the beginning of a line these begin and end a document, within a quoted text too.
_MARK = re.compile(r"^(---|\.\.\.)(?=\s|$)", re.MULTILINE)
_NO_CONTENT = re.compile(r"\s*(#.*)?")


def read(sources: Sequence[str], *, overrides: Mapping[str, Any]) -> list[JobFile]:
    """Read all jobs of all files; `-` is standard input.

    Raises:
        BadJobFile: where the only job cannot be read.
        InvalidJob: where one of several cannot, with all faults of all of them.
        BadInput: where standard input is to be read twice.
    """
    if sources.count(jobfile.STDIN) > 1:
        raise BadInput("- is given twice; standard input can be read once")
    found = [each for source in sources for each in _read_one(source, overrides)]
    if len(found) == 1 and isinstance(found[0], BadJobFile):
        raise found[0]
    if any(isinstance(each, BadJobFile) for each in found):
        raise InvalidJob([fault for each in found for fault in _faults_of(each)])
    return [each for each in found if isinstance(each, JobFile)]


def _read_one(source: str, overrides: Mapping[str, Any]) -> Iterator[JobFile | BadJobFile]:
    is_stdin = source == jobfile.STDIN
    label = jobfile.STDIN_LABEL if is_stdin else str(Path(source))
    folder = None if is_stdin else Path(source).absolute().parent
    try:
        texts = documents(jobfile.read_text(source))
    except BadJobFile as error:
        yield error
        return
    for number, text in enumerate(texts, start=1):
        part = f" (document {number})" if len(texts) > 1 else ""
        try:
            yield JobFile.parse(text, label=label, folder=folder, overrides=overrides, part=part)
        except BadJobFile as error:
            yield error


def _faults_of(read: JobFile | BadJobFile) -> Sequence[Fault]:
    if isinstance(read, JobFile):
        return read.faults
    return [Fault(field="", description=str(read))]


def documents(text: str) -> list[str]:
    """Return the documents of a text, each with its lines where they stood.

    Those without a key or value are left out, unless there is no other.
    """
    found = [part for part in _parts(text) if not _is_empty(part)]
    return found if len(found) > 1 else [text if not found else found[0]]


def _parts(text: str) -> Iterator[str]:
    """Yield the pieces between marks, after as many empty lines as stand above them."""
    begin = 0
    for mark in _MARK.finditer(text):
        # A directive stands before the mark of its own document.
        end = mark.start() if mark[1] == "---" else mark.end()
        if mark[1] == "---" and _is_head(text[begin:end]):
            continue
        yield _moved(text, begin, end)
        begin = end
    yield _moved(text, begin, len(text))


def _moved(text: str, begin: int, end: int) -> str:
    return "\n" * text.count("\n", 0, begin) + text[begin:end]


def _is_head(part: str) -> bool:
    lines = part.splitlines()
    return any(line.startswith("%") for line in lines) and all(
        line.startswith("%") or _NO_CONTENT.fullmatch(line) for line in lines
    )


def _is_empty(part: str) -> bool:
    return all(_NO_CONTENT.fullmatch(line) for line in _MARK.sub("", part).splitlines())
