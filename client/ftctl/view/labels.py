"""Lines with a label at their left."""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console, OverflowMethod
from rich.text import Text

from ftctl.view import grid, text

LABEL_COLUMNS = 11


def labelled(label: str, entries: Sequence[str | Text], console: Console) -> Iterator[Text]:
    """Yield lines with a label before the first; what is too long goes on below, indented.

    Entries that say themselves what they do at the edge, such as the rows of a grid, do that.
    """
    for entry in entries:
        content = entry if isinstance(entry, Text) else Text(entry)
        room = max(console.width - LABEL_COLUMNS, LABEL_COLUMNS)
        overflow = content.overflow or "fold"
        for part in content.wrap(console, room, overflow=overflow):
            part.rstrip()
            line = Text(no_wrap=content.no_wrap, overflow=overflow)
            yield line.append(f" {label}".ljust(LABEL_COLUMNS), "label").append_text(part)
            label = ""


def written(files: Sequence[Path], console: Console) -> Iterator[Text]:
    """Yield where files were written; no path is broken, so that it can be copied."""
    places = [Text(text.clean(str(each)), no_wrap=True, overflow="ignore") for each in files]
    yield from labelled("files", places, console)


def quoted(label: str, lines: Sequence[str], console: Console) -> Iterator[Text]:
    """Yield lines of another's with a label before the first; a terminal's edge cuts them."""
    overflow: OverflowMethod = "ellipsis" if console.is_terminal else "ignore"
    for line in lines:
        text = f"{f' {label}'.ljust(LABEL_COLUMNS)}{line}"
        yield Text(text, "label", no_wrap=True, overflow=overflow)
        label = ""


def paths(files: Mapping[str, str], console: Console, *, folder: str = "") -> Iterator[Text]:
    """Yield where files lie: their folder, and within it the place of each one by its kind.

    The folder is never broken over lines: it is there to be copied.
    """
    if not files and not folder:
        return
    if not all(path.startswith(f"{folder}/") for path in files.values()) or not folder:
        folder = posixpath.commonpath([posixpath.dirname(path) for path in files.values()])
    label = " files".ljust(LABEL_COLUMNS)
    yield Text.assemble((label, "label"), folder, no_wrap=True, overflow="ignore")
    inside = {kind: path[len(folder) :].lstrip("/") for kind, path in files.items()}
    rows = [(Text(kind, "label"), inside[kind]) for kind in sorted(files, key=_order)]
    yield from labelled("", grid.lines(rows, aligns="<<"), console)


def _order(kind: str) -> tuple[bool, str]:
    """Put what is for use before checkpoints."""
    return kind.startswith("checkpoint"), kind
