"""The state directory and the socket belong to one daemon at a time."""

import contextlib
import errno
import fcntl
import json
import os
import socket
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from ftd.errors import BadConfig, StateLocked

LOCK = "lock"


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make the state directory where it is missing (mode 0700) and hold it inside the block.

    Raises:
        StateLocked: naming who holds it.
        BadConfig: where it cannot be used.
    """
    with contextlib.ExitStack() as stack:
        try:
            _make(folder)
            lock = stack.enter_context((folder / LOCK).open("a+"))
            _lock(lock, folder)
            _sign(lock)
        except OSError as error:
            raise BadConfig(
                f"the state directory {folder} cannot be used: {os.strerror(error.errno or 0)}; "
                "give another one with --state"
            ) from error
        yield
        lock.truncate(0)


def clear_socket(path: Path) -> None:
    """Make way for a socket: its folder is there, and nothing of an ended daemon in its place.

    To be called by the holder of the state directory alone.

    Raises:
        BadConfig: where somebody listens there, or where no socket can be.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "")
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    except OSError as error:
        raise BadConfig(
            f"no socket can be at {path}: {os.strerror(error.errno or 0)}; "
            "give another path with --socket"
        ) from error
    if not is_socket:
        raise BadConfig(f"{path} is there and is no socket; give another path with --socket")
    if _is_heard(path):
        raise BadConfig(
            f"another daemon listens on {path}; stop it, or give this one another path "
            "with --socket"
        )
    path.unlink(missing_ok=True)


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & stat.S_IWOTH:
        raise BadConfig(
            f"the state directory {folder} can be written by everybody; run `chmod 700 {folder}`"
        )


def _lock(lock: TextIO, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        raise StateLocked(
            f"the state directory {folder} is held by {_holder(lock)}; stop it, or give this one "
            "another with --state"
        ) from None


def _sign(lock: TextIO) -> None:
    lock.truncate(0)
    since = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    # Unbuffered: what a full disk refuses is not tried again when the file is closed.
    os.write(lock.fileno(), json.dumps({"pid": os.getpid(), "since": since}).encode())


def _holder(lock: TextIO) -> str:
    lock.seek(0)
    try:
        signed = json.load(lock)
    except ValueError:  # just taken, not signed yet
        return "another ftd"
    return f"ftd with pid {signed['pid']} (since {signed['since']})"


def _is_heard(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # one that is stopped, its queue full, would let us wait for ever
        return probe.connect_ex(os.fspath(path)) not in (errno.ECONNREFUSED, errno.ENOENT)
