"""Footprints are read again where they can have changed, and only there."""

import pytest

from ftd.devices import processes
from ftd.devices.footprints import Footprints
from ftd.devices.processes import Footprint, Process

MIB = 2**20


class Kernel:
    """Counts what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.now = 0.0
        self.resident = {1: 1000 * MIB, 2: 10 * MIB}

    def footprint(self, pids: list[int]) -> Footprint:
        self.asked += pids
        return Footprint(pss_bytes=sum(self.resident[pid] for pid in pids))

    def table(self) -> dict[int, Process]:
        return {
            pid: Process(pid=pid, parent=0, name="", resident_bytes=size)
            for pid, size in self.resident.items()
        }


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(processes, "footprint", kernel.footprint)
    return kernel


@pytest.fixture
def look(kernel: Kernel) -> "Look":
    return Look(kernel)


class Look:
    """One look at both processes after another."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel, self._footprints = kernel, Footprints(lambda: kernel.now)

    def __call__(self) -> int:
        self._kernel.asked.clear()
        pids = list(self._kernel.resident)
        self._footprints.recall(pids)
        return self._footprints.of(pids, self._kernel.table()).pss_bytes


def test_processes_at_rest_are_read_once(kernel: Kernel, look: Look) -> None:
    first = look()
    kernel.resident = {1: 1009 * MIB, 2: 13 * MIB}

    assert look() == first == 1010 * MIB
    assert kernel.asked == []


def test_one_that_grew_is_read_again(kernel: Kernel, look: Look) -> None:
    look()
    kernel.resident[1] = 1011 * MIB

    assert look() == 1021 * MIB
    assert kernel.asked == [1]


def test_all_are_read_again_when_one_comes_or_goes(kernel: Kernel, look: Look) -> None:
    look()
    kernel.resident[3] = MIB
    look()
    assert kernel.asked == [1, 2, 3]

    del kernel.resident[2]
    look()
    assert kernel.asked == [1, 3]


def test_what_is_old_is_read_again(kernel: Kernel, look: Look) -> None:
    look()
    kernel.now = 301.0
    look()

    assert kernel.asked == [1, 2]
