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
AMID_OTHERS = 128 << 20
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
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._touch, name="reserve", daemon=True)

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

    def _touch(self) -> None:
        if self._enough.wait(_QUIET_S):
            return
        with contextlib.suppress(OSError):  # a sandbox may forbid it; then it costs a little
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # this thread's alone
        for place in range(self._pages.start, self._pages.stop, _CHUNK):
            if self._is_enough(place - self._pages.start):
                return
            # Not Python's own loop: that would hold the interpreter while the kernel looks.
            ctypes.memset(place, 0, min(_CHUNK, self._pages.stop - place))

    def _is_enough(self, touched: int) -> bool:
        """Wait while there are other jobs, then return whether to end."""
        while touched >= AMID_OTHERS and self._are_others():
            if self._enough.wait(_LOOK_S):
                return True
        return self._enough.is_set()

    def _advise(self, advice: int, *, beyond: int = 0) -> None:
        pages = self._pages[-(-beyond // mmap.PAGESIZE) :]
        if self._block is not None and pages:
            _libc.madvise(pages.start, len(pages) * mmap.PAGESIZE, advice)


def usual_size() -> int:
    """Return how many bytes are worth it on this machine: a sixteenth, at most 1 GiB."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(memory // 16, 1 << 30)
