"""A comparison as text without colours, and as HTML."""

from collections.abc import Sequence
from html import escape

from ftctl import html
from ftctl.comparison.sheets import Row


def text(labels: Sequence[str], parts: Sequence[Sequence[Row]], notes: Sequence[str]) -> str:
    """Return it with runs as columns; what is best has a star."""
    rows = [["", *labels]]
    for part in parts:
        rows += [[row.title, *_starred(row)] for row in part]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, *notes])


def page(
    labels: Sequence[str],
    parts: Sequence[Sequence[Row]],
    tests: Sequence[Sequence[str]],
    notes: Sequence[str],
) -> str:
    """Return it as HTML: settings, results and tests, each a table, and what is to be said."""
    tables = [
        html.table(["", *labels], ([row.title, *_badges(row)] for row in part))
        for part in parts
        if part
    ]
    if tests:
        tables.append(html.table(tests[0], tests[1:], caption="McNemar's test"))
    told = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return "<br>".join([*tables, f"<ul>{told}</ul>"]) if told else "<br>".join(tables)


def _starred(row: Row) -> list[str]:
    return [f"{cell} *" if place in row.best else cell for place, cell in enumerate(row.cells)]


def _badges(row: Row) -> list[object]:
    return [
        html.Badge(cell, "good") if place in row.best else cell
        for place, cell in enumerate(row.cells)
    ]
