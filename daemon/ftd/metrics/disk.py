"""What only the disk can tell. May block: not for the event loop."""

import os
from collections.abc import Iterable
from pathlib import Path

from ftd.jobs.figures import JobFigures
from fttrain.spec import rundir


def free_bytes(folder: Path) -> int | None:
    """Return what is left to us where a folder lies; None where it cannot be told."""
    try:
        told = os.statvfs(folder)
    except OSError:
        return None
    return told.f_bavail * told.f_frsize


def database_bytes(database: Path) -> int:
    """Return the size of a database of SQLite, its log of writes included."""
    return _size(database) + _size(database.with_name(f"{database.name}-wal"))


def journal_lag_bytes(holders: Iterable[JobFigures]) -> int:
    """Return what jobs have written into their journals beyond what is stored."""
    return sum(
        max(_size(Path(each.job.run_dir) / rundir.JOURNAL) - each.journal_bytes, 0)
        for each in holders
        if each.journal_bytes is not None
    )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
