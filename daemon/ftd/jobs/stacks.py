"""Has the processes of a worker that stalls write their stacks into its log."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_ASK = signal.SIGUSR1
"""What workers answer with the stacks of all their threads, from C: see fttrain.distress."""
PATIENCE_S = 2.0
_LOOK_AGAIN_S = 0.1


async def write(shim: int, log: Path, *, proc: Path = Path("/proc")) -> None:
    """Ask all processes beneath a shim that know how to answer; wait until they have.

    Those that were stopped are let go on: their answer is the first thing that they do.
    """
    before = _size(log)
    if not _ask(shim, proc):
        return
    give_up_at, size = time.monotonic() + PATIENCE_S, before
    while time.monotonic() < give_up_at:
        await asyncio.sleep(_LOOK_AGAIN_S)
        size, earlier = _size(log), size
        if size == earlier > before:
            return


def _ask(shim: int, proc: Path) -> bool:
    asked = [pid for pid in _below(shim, proc) if _answers(pid, proc)]
    for pid in asked:
        # The shim alone reaps them: until it does, a pid is nobody else's.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, _ASK)
            os.kill(pid, signal.SIGCONT)
    return bool(asked)


def _below(root: int, proc: Path) -> Iterator[int]:
    ahead = [root]
    while ahead:
        for listing in (proc / str(ahead.pop()) / "task").glob("*/children"):
            with contextlib.suppress(OSError):  # the thread or the process has ended meanwhile
                children = [int(pid) for pid in listing.read_text().split()]
                yield from children
                ahead += children


def _answers(pid: int, proc: Path) -> bool:
    """Return whether a process has a handler for the question; it would end others."""
    with contextlib.suppress(OSError):
        for line in (proc / str(pid) / "status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (_ASK - 1) & 1)
    return False


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except FileNotFoundError:
        return 0
