"""A comparison as Markdown and as CSV."""

import csv
import io
from collections.abc import Iterator, Sequence

from ftctl.comparison import sentences, sheets
from ftctl.comparison.comparison import Comparison
from ftctl.comparison.setting import Role
from ftctl.comparison.sheets import Row
from ftctl.view import text

MOST_COLUMNS = 6
"""Of runs in Markdown; more are rows."""


def as_markdown(compared: Comparison) -> str:
    """Return tables and notes, as a report takes them; what is best is bold."""
    settings, results = compared.parts()
    told = [*_tables(compared.labels, settings, results), ""]
    told += [f"- {_safe(note)}" for note in compared.notes()]
    tests = sheets.of_tests(compared.pairs)
    if tests:
        told += ["", f"{_safe(sentences.mcnemar(compared.pairs))}:", ""]
        told += _table([[_safe(cell) for cell in row] for row in tests])
    return "\n".join(told) + "\n"


def as_csv(compared: Comparison) -> str:
    """Return a line per run: the settings that differ, and every figure at full precision."""
    counted = [each for each in compared.settings if each.role is not Role.IDLE]
    tests = {pair.run: pair for pair in compared.pairs}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([
        "run", *(each.path for each in counted), *(each.name for each in compared.results),
        "settings_apart", "mcnemar_p", "mcnemar_mid_p", "mcnemar_p_holm",
    ])  # fmt: skip
    for place, label in enumerate(compared.labels):
        pair = tests.get(label)
        test = pair.mcnemar if pair else None
        ps = [test.p, test.mid_p, test.p_holm] if test else ["", "", ""]
        writer.writerow([
            text.clean(label), *(each.shown[place] for each in counted),
            *(_plain(each.values[place]) for each in compared.results),
            pair.weight if pair and pair.is_known else "", *ps,
        ])  # fmt: skip
    return out.getvalue()


def _tables(labels: Sequence[str], *parts: Sequence[Row]) -> Iterator[str]:
    """Yield runs as columns; many of them as rows, a table for each part."""
    head = ["", *map(_safe, labels)]
    if len(labels) <= MOST_COLUMNS:
        yield from _table([head, *(_cells(row, row.title) for part in parts for row in part)])
        return
    for place, part in enumerate(part for part in parts if part):
        columns = [head, *(_cells(row, row.brief) for row in part)]
        yield from [""] * (place > 0)
        yield from _table(list(zip(*columns, strict=True)))


def _cells(row: Row, title: str) -> list[str]:
    cells = [
        f"**{cell}**" if place in row.best else cell
        for place, cell in enumerate(map(_safe, row.cells))
    ]
    return [f"`{title}`" if row.is_setting else title, *cells]


def _plain(value: float | None) -> float | str:
    return "" if value is None else value


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(rows[0])} |"
    yield f"|{'|'.join(['---'] * len(rows[0]))}|"
    for row in rows[1:]:
        yield f"| {' | '.join(row)} |"


def _safe(told: str) -> str:
    return text.clean(told).replace("|", r"\|").replace("<", "&lt;")
