"""Rows of cells as aligned lines."""

from collections.abc import Sequence

from rich.console import OverflowMethod
from rich.text import Text

GAP = "  "


def lines(
    rows: Sequence[Sequence[str | Text]],
    *,
    aligns: str,
    width: int | None = None,
    flexible: Sequence[tuple[int, int]] = (),
) -> list[Text]:
    """Return one line per row.

    Args:
        rows: Cells; all rows have as many.
        aligns: One of `<` and `>` per column.
        width: Columns of the terminal. None: nothing is cut.
        flexible: Which column is cut to fit, and to how little; then the next.
    """
    if not rows:
        return []
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = natural(cells)
    if width is not None:
        for column, least in flexible:
            excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
            widths[column] -= max(min(excess, widths[column] - least), 0)
    overflow: OverflowMethod = "ignore" if width is None else "ellipsis"
    return [_line(row, widths, aligns, overflow) for row in cells]


def natural(rows: Sequence[Sequence[str | Text]]) -> list[int]:
    """Return how wide each column is where nothing is cut."""
    return [max(_text(cell).cell_len for cell in column) for column in zip(*rows, strict=True)]


def room(
    rows: Sequence[Sequence[str | Text]], column: int, *, width: int, least: int, most: int
) -> int:
    """Return how wide a column may be where no other one is cut."""
    taken = natural(rows)
    others = sum(taken) - taken[column] + len(GAP) * (len(taken) - 1)
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
