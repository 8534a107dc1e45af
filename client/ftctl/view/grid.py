"""Rows of cells as aligned lines."""

from collections.abc import Mapping, Sequence

from rich.console import OverflowMethod
from rich.text import Text

GAP = "  "


def lines(
    rows: Sequence[Sequence[str | Text]],
    *,
    aligns: str,
    width: int | None = None,
    flexible: Sequence[tuple[int, int]] = (),
    spare: Sequence[int] = (),
) -> list[Text]:
    """Return one line per row.

    Args:
        rows: Cells; all rows have as many.
        aligns: One of `<` and `>` per column.
        width: Columns of the terminal. None: nothing is cut.
        flexible: Which column is cut to fit, and to how little; then the next.
        spare: Columns that are left out, one after the other, where that is not enough.
    """
    if not rows:
        return []
    cells = [[_text(cell) for cell in row] for row in rows]
    if width is None:
        return [_line(row, natural(cells), aligns, "ignore") for row in cells]
    kept = _kept(natural(cells), width, dict(flexible), spare)
    cells = [[row[column] for column in kept] for row in cells]
    widths = natural(cells)
    for column, least in flexible:
        if column in kept:
            at = kept.index(column)
            widths[at] -= max(min(_sum(widths) - width, widths[at] - least), 0)
    aligns = "".join(aligns[column] for column in kept)
    return [_line(row, widths, aligns, "ellipsis") for row in cells]


def _kept(
    widths: Sequence[int], width: int, least: Mapping[int, int], spare: Sequence[int]
) -> list[int]:
    """Return the columns for which there is room, each as narrow as it may be."""
    kept, going = list(range(len(widths))), list(spare)
    while going and _sum([min(widths[c], least.get(c, widths[c])) for c in kept]) > width:
        kept.remove(going.pop(0))
    return kept


def _sum(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def natural(rows: Sequence[Sequence[str | Text]]) -> list[int]:
    """Return how wide each column is where nothing is cut."""
    return [max(_text(cell).cell_len for cell in column) for column in zip(*rows, strict=True)]


def room(
    rows: Sequence[Sequence[str | Text]], column: int, *, width: int, least: int, most: int
) -> int:
    """Return how wide a column may be where no other one is cut."""
    taken = natural(rows)
    others = _sum(taken) - taken[column]
    return min(max(width - others, least), most)


def _text(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)


def _line(
    row: Sequence[Text], widths: Sequence[int], aligns: str, overflow: OverflowMethod
) -> Text:
    line = Text(no_wrap=True, overflow=overflow)
    for index, (cell, width, align) in enumerate(zip(row, widths, aligns, strict=True)):
        padded = cell.copy()
        padded.truncate(width, overflow="ellipsis")
        if align == ">":
            padded.pad_left(width - padded.cell_len)
        elif index < len(row) - 1:
            padded.pad_right(width - padded.cell_len)
        line.append_text(padded)
        line.append(GAP if index < len(row) - 1 else "")
    line.rstrip()
    return line
