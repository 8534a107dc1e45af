"""How alike two nets are, as a table: a line for each layer."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ftctl.similarities import CheckpointUsed, LayerSimilarity, Similarity
from ftctl.view import grid, text
from ftctl.view.labels import labelled

TITLES = ("layer", "type", "parameters", "cos bias", "cos weight", "rel. L2", "CKA")
SHORTEST_NAME = 10
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
    yield from labelled("files", [text.clean(str(each)) for each in files], console)
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
    rows += [[*_row(each)] for each in layers]
    width = console.width - 1 if console.is_terminal else None
    for line in grid.lines(
        rows, aligns="<<>>>>>", width=width, flexible=((0, SHORTEST_NAME),), spare=(1, 2)
    ):
        margin = Text(" ", no_wrap=line.no_wrap, overflow=line.overflow)
        yield margin.append_text(line)


def _row(each: LayerSimilarity) -> Iterator[str | Text]:
    yield text.clean(each.name)
    yield Text(text.clean(each.type), "label")
    yield f"{each.parameters:,}"
    for figure in (each.bias_cosine, each.weight_cosine, each.relative_l2, each.cka):
        yield Text("–", "label") if figure is None else f"{figure:.4f}"
