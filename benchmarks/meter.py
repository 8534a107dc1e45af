"""How much of the machine's processor time went where, while something was measured."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """For how long the machine's cores had worked by a moment, summed over them."""

    time: datetime
    busy_s: float


@contextlib.asynccontextmanager
async def readings() -> AsyncIterator[list[Reading]]:
    """Read the machine's counter once a second; yield the list that grows."""
    found = [_read()]

    async def go_on() -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            found.append(_read())

    task = asyncio.create_task(go_on())
    try:
        yield found
    finally:
        task.cancel()
        found.append(_read())


def others(taken: Sequence[Reading], start: datetime, end: datetime, own_s: float) -> float:
    """Return the share of all cores' time that other work took between two moments.

    Args:
        taken: Readings, the first one before `start`, the last one after `end`.
        start: When one's own work began.
        end: When it ended.
        own_s: Processor time that it took.
    """
    first = max((one for one in taken if one.time <= start), key=lambda one: one.time)
    last = min(
        (one for one in taken if one.time >= end), key=lambda one: one.time, default=taken[-1]
    )
    whole = (last.time - first.time).total_seconds() * (os.cpu_count() or 1)
    return min(max((last.busy_s - first.busy_s - own_s) / whole, 0.0), 1.0)


def _read() -> Reading:
    line = Path("/proc/stat").read_text().split("\n", 1)[0]
    user, nice, system, _, _, irq, softirq = map(int, line.split()[1:8])
    return Reading(time=datetime.now(UTC), busy_s=(user + nice + system + irq + softirq) / TICKS)
