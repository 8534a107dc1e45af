"""What can still be read of a damaged store, row by row. It is never written to."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftd.jobs.store import plain

Row = dict[str, Any]
SMALL = ("tokens", "drains", "datasets", "past_usage")
"""Tables that are taken whole, or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvage:
    """What a damaged store still tells."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    """Of the small tables those that could be read to their end."""
    jobs: dict[int, Row] = field(default_factory=dict)
    """By number: the rows that could be read, with `recipe_json` and `plan_json`."""
    names: dict[int, str] = field(default_factory=dict)
    """By number: what an index says of jobs, whether their rows can be read or not."""
    has_all_names: bool = False
    """Whether that index could be read to its end."""
    last_number: int = 0
    """The last that was given, as far as that can be told."""


def read(database: Path) -> Salvage:
    """Read what can be read; of jobs those without a run directory."""
    try:
        with plain.opened(database) as connection:
            connection.row_factory = sqlite3.Row
            return _read(connection)
    except sqlite3.Error:
        return Salvage()


def _read(connection: sqlite3.Connection) -> Salvage:
    tables = {}
    for table in SMALL:
        rows, is_whole = _rows(connection, f"SELECT * FROM {table}")
        if is_whole:
            tables[table] = rows
    # By the index alone: another part of the file than the rows.
    by_name = "SELECT number, name FROM jobs INDEXED BY jobs_by_name"
    named, has_all_names = _rows(connection, by_name)
    names = {row["number"]: row["name"] for row in named}
    given, _ = _rows(connection, "SELECT seq FROM sqlite_sequence WHERE name = 'jobs'")
    last = max([*names, *(row["seq"] for row in given), 0])
    numbers = range(1, last + 1)
    jobs = {number: row for number in numbers if (row := _job(connection, number)) is not None}
    return Salvage(
        tables=tables, jobs=jobs, names=names, has_all_names=has_all_names, last_number=last
    )


def _job(connection: sqlite3.Connection, number: int) -> Row | None:
    """Return a job's row that has no run directory; None: it has, or cannot be read."""
    query = (
        "SELECT jobs.*, recipe_json, plan_json FROM jobs JOIN documents ON job_id = id "
        "WHERE number = ? AND run_dir = ''"
    )
    rows, is_whole = _rows(connection, query, number)
    if not is_whole or not rows:
        return None
    try:  # a damaged page may well be read as something else
        for column in ("after", "after_ids", "labels", "refs", "datasets", "recipe_json"):
            json.loads(rows[0][column])
    except (ValueError, TypeError):
        return None
    return rows[0]


def _rows(connection: sqlite3.Connection, query: str, *values: Any) -> tuple[list[Row], bool]:
    """Return what a query gives until it breaks off, and whether it did not."""
    rows: list[Row] = []
    try:
        rows.extend(_each(connection, query, values))
    except sqlite3.Error:
        return rows, False
    return rows, True


def _each(connection: sqlite3.Connection, query: str, values: tuple[Any, ...]) -> Iterator[Row]:
    for row in connection.execute(query, values):
        yield dict(row)
