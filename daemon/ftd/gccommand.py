"""What `ftd gc` does, on the state directory itself, whether a daemon runs or not."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ftd import backup
from ftd.errors import BadConfig
from ftd.jobs import cleaning
from ftd.jobs.cleaning import Doomed, Limits
from ftd.jobs.store.engine import open_engines

_MIB = 2**20


def run(state: Path, limits: Limits, *, dry_run: bool) -> str:
    """Remove what the limits let go, or say what that would be; return what to print.

    Raises:
        BadConfig: where there is no store.
    """
    os.umask(0o077)
    if not (state / backup.DATABASE).exists():
        raise BadConfig(f"{state} holds no job store; say where with --state")
    now, runs = datetime.now(UTC), state / "runs"
    writer, reader = open_engines(state / backup.DATABASE, readers=1)
    try:
        with reader.begin() as connection:
            jobs = cleaning.doomed(connection, runs, limits, now)
        litter = cleaning.litter(state, now)
        if not dry_run:
            jobs = list(cleaning.remove(writer, runs, jobs))
            cleaning.sweep(state, litter)
    finally:
        reader.dispose()
        writer.dispose()
    return "\n".join(_told(jobs, litter, limits, dry_run=dry_run)) + "\n"


def _told(
    jobs: list[Doomed], litter: list[Path], limits: Limits, *, dry_run: bool
) -> Iterator[str]:
    verb = "would remove" if dry_run else "removed"
    for job in jobs:
        ended = job.end_time.strftime("%Y-%m-%d %H:%M UTC")
        yield f"{verb} {job.name} ({job.id[:8]}, ended {ended}, {_size(job.size_bytes)}): {job.why}"
    total = _size(sum(job.size_bytes for job in jobs))
    yield f"{verb} {_many(len(jobs), 'job')}, {total}; {_many(len(litter), 'left-over file')}"
    if limits.are_none:
        yield "no limit is set: say --age 30d, --keep 100 or --size 50GiB"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / _MIB:.1f} MiB"
