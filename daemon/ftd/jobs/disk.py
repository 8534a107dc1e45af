"""Room on the disk: what is left for the daemon itself, and how a full disk shows."""

import errno
import shutil
import sqlite3
from pathlib import Path

from ftd.errors import DaemonError, DiskFull, StoreFailed

RESERVE_BYTES = 2**30
"""What those who send files leave free, for checkpoints and the store."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_FAILING = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def free_bytes(folder: Path) -> int:
    """Return what is free on the disk of a folder."""
    return shutil.disk_usage(folder).free


def told(error: BaseException | None) -> DaemonError | None:
    """Return what to tell of an error of SQLite; None where it is a bug of ours."""
    if is_full(error):
        return DiskFull(
            "the daemon's disk is full, and it cannot note this down; make room there, "
            "then try again"
        )
    if not isinstance(error, sqlite3.Error):
        return None
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # what is beyond says it more exactly
    if code in _DAMAGED:
        return StoreFailed(
            f"the job store is damaged ({error}), and this was not done; stop the daemon, then "
            "`ftd restore` makes it whole"
        )
    if code in _FAILING:
        return StoreFailed(
            f"the disk beneath the job store fails ({error}), and this was not done; the "
            "machine's kernel log says why: see to it, then try again"
        )
    if code in _BUSY:
        return StoreFailed(
            f"another process holds the job store ({error}), and this was not done; try again"
        )
    return None


def is_full(error: BaseException | None) -> bool:
    """Tell whether an error of files or of SQLite says that the disk takes no more."""
    match error:
        case OSError():
            return error.errno in _FULL
        case sqlite3.Error():
            # Absent from those that the driver raises by itself.
            return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return False
