"""Removes what nobody needs any more: old jobs that have ended, and what else piles up.

Works on the state directory itself, whether a daemon runs or not: SQLite lets two processes write
in turn. A job goes by the same rule as by `ftctl delete`: never one that has not ended, nor one
that such a one needs.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from ftd.errors import JobInUse, JobNotEnded, JobNotFound
from ftd.jobs.model import TERMINAL, JobId
from ftd.jobs.store import deletion
from ftd.jobs.store.tables import JOBS
from fttrain.spec import longlog

STALE = timedelta(days=30)
"""A plan that is kept for so long is rather made anew."""
ABANDONED = timedelta(days=1)
"""What was made for one answer and lies there for so long belongs to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What jobs that have ended may take; None: as much as they do."""

    age: timedelta | None = None
    """Those that ended longer ago go."""
    keep: int | None = None
    """So many stay, the latest."""
    size_bytes: int | None = None
    """Of all run directories together; the oldest go first."""

    @property
    def are_none(self) -> bool:
        """Whether nothing is to go."""
        return self.age is None and self.keep is None and self.size_bytes is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """A job that goes."""

    id: JobId
    name: str
    end_time: datetime
    size_bytes: int
    why: str


def doomed(connection: Connection, runs: Path, limits: Limits, now: datetime) -> list[Doomed]:
    """Return the ended jobs that go, the oldest first; those that others need are left out."""
    if limits.are_none:
        return []
    ended = [state.value for state in TERMINAL]
    query = select(JOBS.c.id, JOBS.c.name, JOBS.c.end_time).where(JOBS.c.state.in_(ended))
    rows = connection.execute(query.order_by(JOBS.c.end_time, JOBS.c.number)).all()
    is_sized = limits.size_bytes is not None
    total = _size(runs) if is_sized else 0
    gone = []
    for position, row in enumerate(rows):
        size = _size(runs / row.id)
        surplus = limits.keep is not None and len(rows) - position > limits.keep
        why = _why(limits, now - row.end_time, is_surplus=surplus, total=total)
        if why and deletion.needing(connection, row.id) == []:
            gone.append(
                Doomed(
                    id=row.id, name=row.name, end_time=row.end_time, size_bytes=size, why=why
                )
            )  # fmt: skip
            total -= size
    return gone


def remove(writer: Engine, runs: Path, jobs: list[Doomed]) -> Iterator[Doomed]:
    """Delete jobs, each by itself; yield those that are gone."""
    for job in jobs:
        try:
            with writer.begin() as connection:
                deletion.delete_job(connection, job.id, None)
        except (JobNotFound, JobNotEnded, JobInUse):  # somebody was quicker
            continue
        # The record first: what a crash leaves of the files is swept at the next start.
        shutil.rmtree(runs / job.id, ignore_errors=True)
        yield job


def litter(state: Path, now: datetime) -> list[Path]:
    """Return what else has piled up: plans that are old, answers that nobody fetched."""
    found = [p for p in (state / "plans" / "cache").glob("*") if _is_older(p, now, STALE)]
    for folder in ("predictions", "plots", "evaluations"):
        found += [p for p in (state / folder).glob("*") if _is_older(p, now, ABANDONED)]
    return sorted(found)


def sweep(state: Path, found: list[Path]) -> None:
    """Remove litter, and what is too much of the zygote's log."""
    for path in found:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    longlog.cap(state / "zygote.log", limit_bytes=longlog.DAEMONS_BYTES)


def _why(limits: Limits, age: timedelta, *, is_surplus: bool, total: int) -> str:
    if limits.age is not None and age > limits.age:
        return f"ended {age.days} days ago" if age.days else "ended longer ago than it may"
    if is_surplus:
        return f"not among the latest {limits.keep}"
    if limits.size_bytes is not None and total > limits.size_bytes:
        return "all take more than they may"
    return ""


def _size(folder: Path) -> int:
    """Return what a folder takes of the disk, each file once however many names it has."""
    sizes: dict[int, int] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                told = os.lstat(Path(place, name))
            except OSError:  # gone meanwhile
                continue
            sizes[told.st_ino] = told.st_blocks * 512
    return sum(sizes.values())


def _is_older(path: Path, now: datetime, age: timedelta) -> bool:
    try:
        return now.timestamp() - path.stat().st_mtime > age.total_seconds()
    except OSError:
        return False
