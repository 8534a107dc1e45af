"""Lines with a label at their left."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

LABEL_COLUMNS = 11


def labelled(label: str, entries: Sequence[str | Text], console: Console) -> Iterator[Text]:
    """Yield lines with a label before the first; what is too long goes on below, indented."""
    for entry in entries:
        content = entry if isinstance(entry, Text) else Text(entry)
        room = max(console.width - LABEL_COLUMNS, LABEL_COLUMNS)
        for part in content.wrap(console, room, overflow="fold"):
            yield Text.assemble((f" {label}".ljust(LABEL_COLUMNS), "label"), part, overflow="fold")
            label = ""


def paths(files: Mapping[str, str]) -> Iterator[Text]:
    """Yield a line per file by its label. A path is never broken: it is there to be copied."""
    width = max((len(label) for label in files), default=0)
    for label, path in files.items():
        label = f" {label.ljust(width)}".ljust(LABEL_COLUMNS - 1) + " "
        yield Text.assemble((label, "label"), path, no_wrap=True, overflow="ignore")
