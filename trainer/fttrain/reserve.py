"""Memory that a waiting worker touches ahead, so that its first step need not.

The first step of a net touches all the memory that the later ones use again: 800 MB for
MobileNetV2 in batches of 8, which takes 0.2 s on a quiet machine and up to 2 s on a virtual one
whose host has to find the pages first. A worker that waits for its job can do that meanwhile.
"""

import contextlib
import ctypes
import mmap
import os
import threading
from collections.abc import Callable
from typing import Self

from fttrain import process

_CHUNK = 8 << 20
_QUIET_S = 1.0
"""Whoever waits is forked when another job starts: that one takes its first step first."""
AMID_OTHERS = 32 << 20
"""So much is touched while other jobs run. What a net's first step wants beyond that takes 0.2 s
for each GiB; lying touched, it would be missing to those that run."""
_LOOK_S = 0.1
_libc = ctypes.CDLL(None, use_errno=True)
_libc.malloc.argtypes, _libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
_libc.free.argtypes, _libc.free.restype = [ctypes.c_void_p], None
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class Reserve:
    """A block of malloc's heap, touched page by page while nothing else wants the processor."""

    def __init__(self, size: int, are_others: Callable[[], bool]) -> None:
        """Reserve so many bytes; touch none yet."""
        self._are_others = are_others
        process.keep_freed_memory()
        self._block: int | None = _libc.malloc(size) if size else None
        start = self._block or 0
        begin = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        end = (start + size) // mmap.PAGESIZE * mmap.PAGESIZE
        self._pages = range(begin, end if self._block else begin, mmap.PAGESIZE)
        self._touched = 0
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reserve", daemon=True)

    @classmethod
    def begin(cls, size: int, are_others: Callable[[], bool] = lambda: False) -> Self:
        """Reserve so many bytes and set to touching them. Call it before any operator of torch.

        Only a small part is touched while `are_others` says that other jobs run.
        """
        reserve = cls(size, are_others)
        # A forked loader must not have the pages: each would be copied when the trainer writes it.
        reserve._advise(mmap.MADV_DONTFORK)
        reserve._thread.start()
        return reserve

    def stop(self) -> None:
        """Touch no more: the work has come, and forks, which want a single thread."""
        self._enough.set()
        self._thread.join()

    def release(self, *, keep: int) -> None:
        """Give so many bytes of it to whoever allocates next, the rest back to the kernel."""
        self.stop()
        self._advise(mmap.MADV_DOFORK)
        self._advise(mmap.MADV_DONTNEED, beyond=keep)
        process.forget_peak_memory()
        block, self._block = self._block, None
        _libc.free(block)

    def _run(self) -> None:
        """Wait for quiet moments, and touch in them."""
        wait_s = _QUIET_S
        while self._touched < len(self._pages) * mmap.PAGESIZE:
            if self._enough.wait(wait_s):
                return
            if not self._is_held_up:
                # A thread of its own: one that is idle by class may never get to see that it is
                # enough while others want the processor, and whoever stops it waits for it.
                idle = threading.Thread(target=self._touch, name="touching", daemon=True)
                idle.start()
                idle.join()
            wait_s = _LOOK_S

    @property
    def _is_held_up(self) -> bool:
        """True while other jobs run and have left it as much as it may have."""
        return self._touched >= AMID_OTHERS and self._are_others()

    def _touch(self) -> None:
        with contextlib.suppress(OSError):  # a sandbox may forbid it; then it costs a little
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # this thread's alone
        for place in range(self._pages.start + self._touched, self._pages.stop, _CHUNK):
            if self._enough.is_set() or self._is_held_up:
                return
            size = min(_CHUNK, self._pages.stop - place)
            # Not Python's own loop: that would hold the interpreter while the kernel looks.
            ctypes.memset(place, 0, size)
            self._touched += size

    def _advise(self, advice: int, *, beyond: int = 0) -> None:
        pages = self._pages[-(-beyond // mmap.PAGESIZE) :]
        if self._block is not None and pages:
            _libc.madvise(pages.start, len(pages) * mmap.PAGESIZE, advice)


def usual_size() -> int:
    """Return how many bytes are worth it on this machine: a 32nd, at most 768 MiB."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(memory // 32, 768 << 20)
