"""What a job has made: a line for each file."""

import posixpath
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from ftctl.models import ArtifactFile
from ftctl.view import grid, text

TITLES = ("kind", "size", "file")


def lines(found: Sequence[ArtifactFile], *, console: Console) -> list[Text]:
    """Return a heading and a line per file.

    On a terminal their folder, which is long, has a line of its own; in a pipe each path is whole.
    """
    paths = [text.clean(each.path) for each in found]
    folder = posixpath.commonpath([posixpath.dirname(path) for path in paths]) if paths else ""
    is_apart = console.is_terminal and bool(folder)
    if is_apart:
        paths = [posixpath.relpath(path, folder) for path in paths]
    rows: list[list[str | Text]] = [[Text(title, "label") for title in TITLES]]
    for each, path in zip(found, paths, strict=True):
        rows.append([each.kind, text.memory(each.size_bytes), path])
    told = grid.lines(rows, aligns="<><")
    if is_apart:
        # Never broken over lines: it is there to be copied.
        told.append(Text.assemble(("in ", "label"), folder, no_wrap=True, overflow="ignore"))
    return told
