"""Has the processes of a worker that stalls write their stacks into its log."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_ASK = signal.SIGUSR1
"""What workers answer with the stacks of all their threads, from C: see fttrain.distress."""
_CURRENT, _FATAL = "Current thread 0x", "Fatal Python error: "
"""How the interpreter begins the stack of the thread in question, and the word of a crash."""
_WAITS = "/multiprocessing/connection.py"
"""On top of the stack of whoever waits for a word of another process."""
_LONGEST = 120
"""Lines of a stack, and of what may follow it."""
PATIENCE_S = 2.0
_LOOK_AGAIN_S = 0.1


async def write(shim: int, log: Path, *, proc: Path = Path("/proc")) -> None:
    """Ask all processes beneath a shim that know how to answer; wait until they have.

    Those that were stopped are let go on: their answer is the first thing that they do.
    """
    give_up_at = time.monotonic() + PATIENCE_S
    for pid in [pid for pid in _below(shim, proc) if _answers(pid, proc)]:
        before = size = _size(log)
        _ask(pid)
        # One after the other: the worker first, then those that it waits for.
        while time.monotonic() < give_up_at:
            await asyncio.sleep(_LOOK_AGAIN_S)
            size, earlier = _size(log), size
            if size == earlier > before:
                break


def tail(lines: Sequence[str], count: int) -> list[str]:
    """Return the last lines of a log; of stacks at its end the top ones, where it stands still.

    Where several processes have left theirs, it is that of the last that did not just wait for
    another one of them.
    """
    begins = [i for i, line in enumerate(lines) if line.startswith(_CURRENT)]
    if not begins or len(lines) - begins[-1] > _LONGEST:
        return list(lines[-count:])
    busy = [i for i in begins if _WAITS not in "".join(lines[i + 1 : i + 2])]
    begin = (busy or begins)[-1]
    fatal = [line for line in lines[:begin] if line.startswith(_FATAL)][-1:]
    return [*fatal, *lines[begin:]][:count]


def _ask(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, _ASK)
        os.kill(pid, signal.SIGCONT)


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
