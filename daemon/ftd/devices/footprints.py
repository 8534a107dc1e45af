"""What processes hold of the machine's memory, read again only where it can have changed.

The kernel walks all pages of a process to say it: milliseconds for a large one, and tens of them
on some virtual machines, which an idle daemon must not spend every few seconds.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from ftd.devices import processes
from ftd.devices.processes import Footprint, Process

# A process whose resident memory has hardly moved holds what it held.
_STEADY = 0.01
_STEADY_BYTES = 4 * 2**20
_OLD_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    footprint: Footprint
    resident_bytes: int
    read_at: float


class Footprints:
    """Remembers what each process held when it was last read."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[int, _Known] = {}

    def recall(self, pids: Collection[int]) -> None:
        """Forget all where other processes run than last time.

        They share pages with those that came or went, whose shares of these are others now.
        """
        if set(pids) != self._known.keys():
            self._known.clear()

    def of(self, pids: Collection[int], table: Mapping[int, Process]) -> Footprint:
        """Return what processes hold together."""
        return sum((self._one(pid, table) for pid in pids), Footprint())

    def _one(self, pid: int, table: Mapping[int, Process]) -> Footprint:
        resident, now = table[pid].resident_bytes, self._clock()
        known = self._known.get(pid)
        if known is None or now - known.read_at > _OLD_S or _has_moved(known, resident):
            known = _Known(
                footprint=processes.footprint([pid]), resident_bytes=resident, read_at=now
            )
            self._known[pid] = known
        return known.footprint


def _has_moved(known: _Known, resident_bytes: int) -> bool:
    moved = abs(resident_bytes - known.resident_bytes)
    return moved > max(_STEADY * known.resident_bytes, _STEADY_BYTES)
