"""Run every measurement and write docs/benchmarks.md from what was measured."""

import datetime
import sys

from benchmarks import decide, history, idle, scrape, start, thin
from benchmarks.speed import comparison
from benchmarks.table import CHECKOUT, Row, finish, machine, markdown

PAGE = CHECKOUT / "docs" / "benchmarks.md"
HEAD = """\
# Benchmarks

Written by `make bench` on {date}, on {machine}.
Spreads are given as median (least to greatest).
"""


def main() -> int:
    """Measure, print, write the page; return 1 where a goal is missed."""
    head = HEAD.format(date=datetime.datetime.now(tz=datetime.UTC).date(), machine=machine())
    sections: list[tuple[str, list[Row]]] = []
    codes = []
    for title, measure in (
        (thin.TITLE, thin.measure),
        (start.TITLE, start.measure),
        (idle.TITLE, idle.measure),
        (decide.TITLE, decide.measure),
        (scrape.TITLE, scrape.measure),
        (history.TITLE, history.measure),
    ):
        sections.append((title, measure()))
        codes.append(finish(*sections[-1]))
    kept = comparison.measure()
    codes.append(comparison.finish(kept))
    plain = [markdown(title, rows) for title, rows in sections]
    PAGE.write_text("\n".join([head, *plain, comparison.section(kept)]))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
