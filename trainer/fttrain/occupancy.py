"""How many jobs of a zygote run, seen by all that it forks.

Jobs that an earlier daemon left running are not among them.
"""

import mmap
import struct

_COUNT = struct.Struct("=q")


class Occupancy:
    """A number in memory that processes share with those they fork. The zygote alone changes it."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._pids: set[int] = set()

    def begin(self, pid: int) -> None:
        """Count a job, by the process above it."""
        self._pids.add(pid)
        self._tell()

    def end(self, pid: int) -> None:
        """Count it no more. Other processes do not matter."""
        self._pids.discard(pid)
        self._tell()

    def is_any(self) -> bool:
        """Return whether a job runs now."""
        (count,) = _COUNT.unpack_from(self._page)
        return bool(count)

    def _tell(self) -> None:
        _COUNT.pack_into(self._page, 0, len(self._pids))
