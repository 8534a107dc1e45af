"""Rows of cells as aligned lines."""

from collections.abc import Sequence

from rich.text import Text

GAP = "  "
LEAST_FLEXIBLE = 8


def lines(
    rows: Sequence[Sequence[str | Text]],
    *,
    aligns: str,
    width: int | None = None,
    flexible: int | None = None,
) -> list[Text]:
    """Return one line per row.

    Args:
        rows: Cells; all rows have as many.
        aligns: One of `<` and `>` per column.
        width: Columns of the terminal; the flexible column is cut to fit.
        flexible: Index of the column that may be cut.
    """
    if not rows:
        return []
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    if width is not None and flexible is not None:
        spare = width - sum(widths) - len(GAP) * (len(widths) - 1)
        widths[flexible] = max(
            min(LEAST_FLEXIBLE, widths[flexible]), widths[flexible] + min(spare, 0)
        )
    return [_line(row, widths, aligns) for row in cells]


def _text(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)


def _line(row: Sequence[Text], widths: Sequence[int], aligns: str) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
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
