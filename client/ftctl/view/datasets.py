"""Data sets: a line for each, one on a card, and what a push has made."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rich.console import Console
from rich.text import Text

from ftctl.datasets import Dataset, PushProgress
from ftctl.view import grid, text
from ftctl.view.labels import labelled
from ftctl.view.plain import stamp

SHORT_DIGEST = 12
# Of the folders on a card, and of the names that were left out of a push.
MOST_FOLDERS = 40
MOST_LEFT_OUT = 3


def lines(datasets: Sequence[Dataset], *, now: datetime, width: int | None) -> list[Text]:
    """Return a heading and one line per data set; without a width nothing is cut to fit."""
    is_many = len({dataset.user for dataset in datasets}) > 1
    titles = ["name", *(["user"] if is_many else []), "files", "size", "digest", "age"]
    rows: list[list[str | Text]] = [[Text(title, "label") for title in titles]]
    rows += [_row(dataset, now, with_user=is_many) for dataset in datasets]
    aligns = f"<{'<' if is_many else ''}>><>"
    spare = [titles.index("digest"), titles.index("files")]
    return grid.lines(rows, aligns=aligns, width=width, flexible=[(0, 12)], spare=spare)


def _row(dataset: Dataset, now: datetime, *, with_user: bool) -> list[str | Text]:
    return [
        Text(text.clean(dataset.name), "title"),
        *([text.clean(dataset.user)] if with_user else []),
        text.count(dataset.files),
        text.size(dataset.size_bytes),
        Text(dataset.digest[:SHORT_DIGEST], "label"),
        text.age(now - dataset.create_time) if dataset.create_time else "–",
    ]


def card(dataset: Dataset, *, now: datetime, console: Console) -> Iterator[Text]:
    """Yield the card of a data set: what it is, and its folders."""
    yield Text.assemble(" ", (dataset.name, "title"), (f"  {dataset.user}", "label"))
    yield from labelled("holds", [_holds(dataset)], console)
    if dataset.create_time:
        age = text.age(now - dataset.create_time)
        yield from labelled("pushed", [f"{stamp(dataset.create_time)}, {age} ago"], console)
    yield _whole("digest", dataset.digest)
    yield from labelled("used by", [", ".join(dataset.used_by) or "no job"], console)
    yield Text()
    yield from labelled("folders", _folders(dataset, console), console)


def pushed(
    dataset: Dataset, last: PushProgress, *, seconds: float, console: Console
) -> Iterator[Text]:
    """Yield what a push has made."""
    yield Text.assemble("pushed ", (dataset.name, "title"), f"  {_holds(dataset)}")
    yield from labelled("sent", [_sent(last, seconds)], console)
    if last.common_folder:
        told = f"{text.clean(last.common_folder)}/, which held all else, is left out of the paths"
        yield from labelled("paths", [told], console)
    if last.left_out:
        yield from labelled("left out", [_left_out(last.left_out)], console)
    yield _whole("digest", dataset.digest)
    yield from labelled("use it", [f"data: {{dataset: {dataset.name}}}"], console)


def _holds(dataset: Dataset) -> str:
    return f"{text.counted(dataset.files, 'file')}, {text.size(dataset.size_bytes)}"


def _sent(last: PushProgress, seconds: float) -> str:
    if not last.missing_files:
        return "nothing: the daemon had all of it"
    what = f"{text.counted(last.missing_files, 'file')}, {text.size(last.sent_bytes)}"
    there = "" if last.missing_files == last.files else "; the others were there"
    return f"{what} in {text.duration(timedelta(seconds=seconds))}{there}"


def _left_out(paths: Sequence[str]) -> str:
    named = ", ".join(text.clean(path) for path in paths[:MOST_LEFT_OUT])
    rest = f", and {len(paths) - MOST_LEFT_OUT:,} more" if len(paths) > MOST_LEFT_OUT else ""
    return f"{text.counted(len(paths), 'hidden file')}: {named}{rest}"


def _folders(dataset: Dataset, console: Console) -> list[Text]:
    shown = dataset.folders[:MOST_FOLDERS] if console.is_terminal else dataset.folders
    rows = [
        [
            text.clean(f"{folder.path}/" if folder.path else "./"),
            text.counted(folder.files, "file"),
            text.size(folder.size_bytes),
        ]
        for folder in shown
    ]
    found = grid.lines(
        rows,
        aligns="<>>",
        width=console.width - 11 if console.is_terminal else None,
        flexible=[(0, 16)],
    )
    rest = len(dataset.folders) - len(shown)
    return found + ([Text(f"and {rest:,} more; -o json has all")] if rest else [])


def _whole(label: str, value: str) -> Text:
    """Return a line that is there to be copied."""
    return Text.assemble((f" {label}".ljust(11), "label"), value, no_wrap=True, overflow="ignore")
