"""Room on the disk: what is left for the daemon itself, and how a full disk shows."""

import errno
import shutil
import sqlite3
from pathlib import Path

RESERVE_BYTES = 2**30
"""What those who send files leave free, for checkpoints and the store."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


def free_bytes(folder: Path) -> int:
    """Return what is free on the disk of a folder."""
    return shutil.disk_usage(folder).free


def is_full(error: BaseException | None) -> bool:
    """Tell whether an error of files or of SQLite says that the disk takes no more."""
    match error:
        case OSError():
            return error.errno in _FULL
        case sqlite3.Error():
            # Absent from those that the driver raises by itself.
            return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return False
