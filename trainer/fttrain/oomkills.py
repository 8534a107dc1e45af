"""How often the kernel has ended a process for want of memory: its own counters."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

EVERY_S = 5.0
_KEY = "oom_kill"


def count(root: Path = Path("/")) -> int | None:
    """Return the number so far in this process's control group; None where nobody counts.

    Where no group counts, that of the whole machine is returned. `root` holds `proc` and `sys`.
    """
    for path in _counters(root):
        found = _read(path)
        if found is not None:
            return found
    return None


def _counters(root: Path) -> Iterator[Path]:
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, within = line.split(":", 2)
        # A group above counts for those beneath. In a container the group may be named as seen
        # from outside, and be mounted as the root.
        for place in (Path(within.strip("/")), *Path(within.strip("/")).parents):
            if number == "0":
                yield root / "sys/fs/cgroup" / place / "memory.events"
            elif "memory" in controllers.split(","):
                yield root / "sys/fs/cgroup/memory" / place / "memory.oom_control"
    yield root / "proc/vmstat"


@dataclass(slots=True)
class Since:
    """Counts from a moment 5 to 10 seconds ago: what the kernel ended before had other reasons."""

    clock: Callable[[], float] = time.monotonic
    count: Callable[[], int | None] = count
    _counted: deque[tuple[float, int | None]] = field(
        init=False, default_factory=partial(deque, maxlen=2)
    )

    def look(self) -> None:
        """Note the count now and then. Call it at least every `EVERY_S`."""
        if not self._counted or self.clock() - self._counted[-1][0] >= EVERY_S:
            self._counted.append((self.clock(), self.count()))

    @property
    def kills(self) -> int:
        """How many there were."""
        before, now = self._counted[0][1] if self._counted else None, self.count()
        return max(now - before, 0) if now is not None and before is not None else 0


def _read(path: Path) -> int | None:
    counted = dict(line.split() for line in _lines(path) if line.count(" ") == 1)
    return int(counted[_KEY]) if _KEY in counted else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
