"""The processor as a device, or as several with cores of their own."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ftd.devices import memory
from ftd.devices.model import Device, DeviceId, DeviceKind, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """What a core did since the machine started, in the kernel's ticks."""

    busy: int
    total: int


class CpuInventory:
    """The processor: all of it, or `count` devices with disjoint cores and equal memory."""

    def __init__(self, count: int = 1) -> None:
        self._devices = processors(count)
        self._before = _ticks()

    @property
    def devices(self) -> Sequence[Device]:
        """All of them, in the order of their cores."""
        return self._devices

    def sample(self) -> Mapping[DeviceId, Sample]:
        """Return how busy the cores of each were since the last look."""
        before, self._before = self._before, _ticks()
        return {
            device.id: Sample(utilization=_busy(device.cores, before, self._before))
            for device in self._devices
        }

    def environment(self, ids: Sequence[DeviceId]) -> Mapping[str, str]:
        """Hide all cards: a worker that sees one would use it."""
        return dict(HIDDEN)

    def close(self) -> None:
        """Do nothing: the processor stays."""


HIDDEN: Mapping[str, str] = {"CUDA_VISIBLE_DEVICES": ""}
"""What a worker is told that shall see no card."""


def processors(count: int) -> tuple[Device, ...]:
    """Share the cores and the memory out. `count` is at most the number of cores."""
    cores, name = usable_cores(), processor_name()
    share, rest = divmod(len(cores), count)
    total = memory.look().total_bytes
    devices = []
    for index in range(count):
        start = index * share + min(index, rest)
        id_ = "cpu" if count == 1 else f"cpu{index}"
        devices.append(
            Device(
                id=id_,
                uuid=id_,
                kind=DeviceKind.CPU,
                name=name,
                memory_bytes=total // count,
                cores=cores[start : start + share + (index < rest)],
            )
        )
    return tuple(devices)


def usable_cores() -> tuple[int, ...]:
    """Return the cores that this process may use, by the kernel's numbers."""
    return tuple(sorted(os.sched_getaffinity(0)))


def processor_name() -> str:
    """Return the maker's name of the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _ticks() -> Mapping[int, Ticks]:
    found = {}
    with Path("/proc/stat").open() as lines:
        for line in lines:
            if not line.startswith("cpu"):
                break  # the cores come first, a long line of interrupts after them
            label, *words = line.split()
            if label != "cpu":
                spent = [int(word) for word in words[:8]]
                idle = spent[3] + spent[4]  # idle, and waiting for a disk
                found[int(label[3:])] = Ticks(busy=sum(spent) - idle, total=sum(spent))
    return found


def _busy(
    cores: Iterable[int], before: Mapping[int, Ticks], after: Mapping[int, Ticks]
) -> float | None:
    both = [(before[core], after[core]) for core in cores if core in before and core in after]
    total = sum(new.total - old.total for old, new in both)
    busy = sum(new.busy - old.busy for old, new in both)
    return min(max(busy / total, 0.0), 1.0) if total > 0 else None
