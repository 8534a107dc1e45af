"""A comparison in a terminal: runs as columns while they fit, else as rows."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from ftctl.comparison import sentences, sheets
from ftctl.comparison.comparison import Comparison
from ftctl.comparison.pairs import Pair
from ftctl.comparison.sheets import Row
from ftctl.comparison.wording import cut
from ftctl.view import grid, text

MOST_COLUMNS = 6
"""Of runs; more are rows."""
# A setting is cut in the table of a terminal, and told whole below it.
_CELL = 40
_BEGUN = 20
"""How much of such a setting stands in the table, lest it push the figures out of it."""
_INDENT = 2

Cells = list[list[str | Text]]


def lines(compared: Comparison, console: Console) -> Iterator[Text]:
    """Yield the whole comparison."""
    labels = [text.clean(label) for label in compared.labels]
    settings, results = compared.parts()
    upright = [*settings, *results]
    if len(labels) <= MOST_COLUMNS and _width(_columns(labels, upright)) <= console.width:
        yield from _upright(labels, settings, results)
    else:
        yield from _across(labels, settings, console.width)
        yield Text()
        yield from _across(labels, results, console.width)
    yield from _cut_settings(labels, settings, console)
    yield Text()
    yield from _said([sentences.alike(compared.alike, compared.settings)], console, "label")
    yield from _said(sentences.standings(compared.runs), console, "warn")
    yield from _confounding(compared.pairs, console)
    yield from _said(sentences.repeats(compared.runs), console, "warn")
    machines = sentences.machines(compared.machine)
    yield from _said([machines] if machines else [], console, "warn")
    yield from _tests(compared, console)


def _cut_settings(
    labels: Sequence[str], settings: Sequence[Row], console: Console
) -> Iterator[Text]:
    """Yield the settings that the table has cut, each run with its own."""
    for row in settings:
        if _is_long(row):
            yield Text()
            yield Text(row.title, "label")
            told = (f"{label}: {cell}" for label, cell in zip(labels, row.cells, strict=True))
            yield from _said([*told], console, "")


# --- runs as columns ---------------------------------------------------------------------------


def _upright(
    labels: Sequence[str], settings: Sequence[Row], results: Sequence[Row]
) -> Iterator[Text]:
    rows = _columns(labels, [*settings, *results])
    drawn = grid.lines(rows, aligns="<" + "<" * len(labels))
    yield drawn[0]
    yield from drawn[1 : 1 + len(settings)]
    if settings:
        yield Text("─" * max(line.cell_len for line in drawn), "label")
    yield from drawn[1 + len(settings) :]


def _columns(labels: Sequence[str], rows: Sequence[Row]) -> Cells:
    head: list[str | Text] = ["", *(Text(label, "title") for label in labels)]
    return [head, *([Text(row.title, "label"), *_cells(row)] for row in rows)]


# --- runs as rows ------------------------------------------------------------------------------


def _across(labels: Sequence[str], rows: Sequence[Row], width: int) -> Iterator[Text]:
    """Yield a row per run; columns for which there is no room stand in a block of their own."""
    names: list[str | Text] = [Text(label, "title") for label in labels]
    columns: Cells = [[Text(row.brief, "label"), *_cells(row)] for row in rows]
    first = True
    while columns:
        taken: Cells = [["", *names]]
        aligns = "<"
        while columns and (len(taken) == 1 or _width(_turned([*taken, columns[0]])) <= width):
            taken.append(columns.pop(0))
            aligns += "<"
        if not first:
            yield Text()
        first = False
        yield from grid.lines(_turned(taken), aligns=aligns)


def _turned(columns: Cells) -> Cells:
    return [list(row) for row in zip(*columns, strict=True)]


# --- what is said ------------------------------------------------------------------------------


def _confounding(pairs: Sequence[Pair], console: Console) -> Iterator[Text]:
    for pair in pairs:
        style = "warn" if pair.is_confounded else ""
        yield from _said([sentences.difference(pair)], console, style)
    if any(pair.is_confounded for pair in pairs):
        yield from _said([sentences.CONFOUNDED], console, "label")


def _tests(compared: Comparison, console: Console) -> Iterator[Text]:
    found = sheets.of_tests(compared.pairs, is_brief=True)
    if found:
        yield Text()
        yield from _said([sentences.mcnemar(compared.pairs)], console, "title")
        rows: Cells = [[Text(title, "label") for title in found[0]]]
        rows += [[text.clean(row[0]), *row[1:]] for row in found[1:]]
        yield from _table(rows, console.width)
    yield from _said(sentences.untested(compared.pairs), console, "label")


def _table(rows: Cells, width: int) -> Iterator[Text]:
    """Yield a table; where there is no room, in blocks that begin with the first column."""
    columns = _turned(rows)
    names, rest = columns[0], columns[1:]
    while rest:
        taken = [names]
        while rest and (len(taken) == 1 or _width(_turned([*taken, rest[0]])) <= width):
            taken.append(rest.pop(0))
        aligns = "<" + ">" * (len(taken) - 1)
        yield from grid.lines(_turned(taken), aligns=aligns if rest else f"{aligns[:-1]}<")


def _said(notes: Sequence[str] | Iterator[str], console: Console, style: str) -> Iterator[Text]:
    for note in notes:
        content = Text(text.clean(note), style)
        parts = content.wrap(console, max(console.width - _INDENT, 20))
        for place, part in enumerate(parts):
            part.rstrip()
            yield Text(" " * _INDENT * (place > 0), no_wrap=True).append_text(part)


def _cells(row: Row) -> list[str | Text]:
    """Return the cells of a row: what is best has a star, what differs from the baseline a
    colour."""
    cells: list[str | Text] = []
    most = _BEGUN if _is_long(row) else _CELL
    for place, cell in enumerate(row.cells):
        told = cut(text.clean(cell), most)
        if place in row.best:
            cells.append(Text(f"{told} ★", "good"))
        else:
            differs = row.is_setting and cell != row.cells[0]
            cells.append(Text(told, "accent" if differs else ""))
    return cells


def _is_long(row: Row) -> bool:
    return row.is_setting and any(len(text.clean(cell)) > _CELL for cell in row.cells)


def _width(rows: Cells) -> int:
    return sum(grid.natural(rows)) + len(grid.GAP) * (len(rows[0]) - 1)
