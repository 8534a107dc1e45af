"""What a measurement yields: rows of a table, with the goal beside the figure."""

import os
import platform
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured figure. Without a goal it stands beside the others for comparison."""

    what: str
    value: str
    goal: str = ""
    holds: bool = True

    def __str__(self) -> str:
        verdict = (
            f"  (goal {self.goal}: {'holds' if self.holds else 'MISSED'})" if self.goal else ""
        )
        return f"{self.what}: {self.value}{verdict}"


def at_most(what: str, value: float, limit: float, unit: str, digits: int = 0) -> Row:
    """Return a row whose figure should not exceed a limit."""
    return Row(
        what=what,
        value=f"{value:.{digits}f} {unit}",
        goal=f"≤ {limit:g} {unit}",
        holds=value <= limit,
    )


def spread(seconds: Iterable[float]) -> str:
    """Return median, least and greatest of some durations in milliseconds."""
    each = [second * 1000 for second in seconds]
    return f"{statistics.median(each):.0f} ms ({min(each):.0f} to {max(each):.0f})"


def processor() -> str:
    """Return the kind of processor and the number of its cores."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def machine() -> str:
    """Return the machine, its load by others, and the interpreter in a line."""
    load = f"load {os.getloadavg()[0]:.1f} before"
    return f"{processor()}, {load}, Python {platform.python_version()}"


def markdown(title: str, rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown section."""
    lines = [f"## {title}", "", "| what | measured | goal |", "|---|---|---|"]
    for row in rows:
        verdict = "" if row.holds else " **missed**"
        lines.append(f"| {row.what} | {row.value} | {row.goal}{verdict} |")
    return "\n".join([*lines, ""])


def finish(title: str, rows: list[Row]) -> int:
    """Print the rows; return 1 where a goal is missed."""
    print(title)
    for row in rows:
        print(f"  {row}")
    return 0 if all(row.holds for row in rows) else 1
