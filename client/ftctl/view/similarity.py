"""How alike two nets are, as a table: a line for each layer."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ftctl.similarities import CheckpointUsed, LayerSimilarity, Similarity
from ftctl.view import grid, text
from ftctl.view.labels import labelled, written

TITLES = ("layer", "type", "parameters", "cos bias", "cos weight", "rel. L2", "CKA")
SPARE = (1, 2)
"""The columns that go first where there is no room."""
SHORTEST_NAME = 10
FOLDED = 3
"""Between the first and the last of a run."""
SHOWN_ALONE = 10


def lines(found: Similarity, files: Sequence[Path], console: Console) -> Iterator[Text]:
    """Yield what was compared, what is to know of it, and every layer."""
    nets = [Text(_named(each), "title") for each in (found.first, found.second)]
    yield from labelled("nets", [*nets, text.clean(found.architecture)], console)
    images = f"{found.images:,} validation images of {text.clean(found.first.job_name)}"
    yield from labelled("features", [f"of {images}" if found.images else "not compared"], console)
    for name, alone in ((found.first, found.only_first), (found.second, found.only_second)):
        if alone:
            yield from labelled("only in", [f"{_named(name)}: {_some(alone)}"], console)
    yield from labelled("notice", [text.clean(each) for each in found.notices], console)
    yield from written(files, console)
    yield Text()
    yield from _table(found.layers, console)


def _named(used: CheckpointUsed) -> str:
    return f"{text.clean(used.job_name)}/{used.which}, epoch {used.epoch}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(text.clean(name) for name in names[:SHOWN_ALONE])
    rest = len(names) - SHOWN_ALONE
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def _table(layers: Sequence[LayerSimilarity], console: Console) -> Iterator[Text]:
    rows: list[list[str | Text]] = [[Text(title, "label") for title in TITLES]]
    width = console.width - 1 if console.is_terminal else None
    if width is None:
        rows += [[*_row(each)] for each in layers]
    else:
        rows += _folded(layers)
    for line in grid.lines(
        rows, aligns="<<>>>>>", width=width, flexible=((0, _least(rows, width)),), spare=SPARE
    ):
        margin = Text(" ", no_wrap=line.no_wrap, overflow=line.overflow)
        yield margin.append_text(line)


def _least(rows: Sequence[Sequence[str | Text]], width: int | None) -> int:
    """Return to how little names may be cut: not at all, where other columns make enough room."""
    widths = grid.natural(rows)
    kept = [width for column, width in enumerate(widths) if column not in SPARE]
    fits = width is None or sum(kept) + len(grid.GAP) * (len(kept) - 1) <= width
    return widths[0] if fits else SHORTEST_NAME


def _folded(layers: Sequence[LayerSimilarity]) -> Iterator[list[str | Text]]:
    """Yield a row for each layer; of many in a row that are the same, the first and the last."""
    for is_same, run in groupby(layers, _is_same):
        found = list(run)
        inner = found[1:-1]
        if not is_same or len(inner) < FOLDED:
            yield from ([*_row(each)] for each in found)
            continue
        yield [*_row(found[0])]
        parameters = sum(each.parameters for each in inner)
        told = f"⋮ {len(inner):,} the same", "", f"{parameters:,}", "⋮", "⋮", "⋮", "⋮"
        yield [Text(each, "label") for each in told]
        yield [*_row(found[-1])]


def _is_same(each: LayerSimilarity) -> bool:
    """Return whether a layer is the same in both nets, and so is what it makes of images."""
    return each.relative_l2 == 0 and (each.cka is None or f"{each.cka:.4f}" == "1.0000")


def _row(each: LayerSimilarity) -> Iterator[str | Text]:
    yield text.clean(each.name)
    yield Text(text.clean(each.type), "label")
    yield f"{each.parameters:,}"
    for figure in (each.bias_cosine, each.weight_cosine, each.relative_l2, each.cka):
        yield Text("–", "label") if figure is None else f"{figure:.4f}"
