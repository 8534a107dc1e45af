"""The machine's memory and its control groups, from files as kernels write them."""

from pathlib import Path

import pytest

from ftd.devices import memory
from ftd.devices.memory import MachineMemory

GIB = 2**30
MEMINFO = f"MemTotal: {64 * 2**20} kB\nMemFree: 1 kB\nMemAvailable: {40 * 2**20} kB\n"


class Kernel:
    """What /proc and the control groups say."""

    def __init__(self, root: Path) -> None:
        self.proc, self.groups = root / "proc", root / "cgroup"
        (self.proc / "self").mkdir(parents=True)
        (self.proc / "meminfo").write_text(MEMINFO)
        self.in_group("0::/")

    def in_group(self, line: str) -> None:
        (self.proc / "self/cgroup").write_text(f"{line}\n")

    def limit(self, folder: str, limit: str, used: int, cache: int) -> None:
        self._write(folder, "memory.max", limit)
        self._write(folder, "memory.current", str(used))
        self._write(folder, "memory.stat", f"anon 5\ninactive_file {cache}\n")

    def limit_v1(self, folder: str, limit: int, used: int, cache: int) -> None:
        self._write(folder, "memory.limit_in_bytes", str(limit))
        self._write(folder, "memory.usage_in_bytes", str(used))
        self._write(folder, "memory.stat", f"inactive_file 1\ntotal_inactive_file {cache}\n")

    def look(self) -> MachineMemory:
        return memory.look(self.proc, self.groups)

    def _write(self, folder: str, name: str, text: str) -> None:
        place = self.groups / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(f"{text}\n")


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_without_a_limit_it_is_the_machines(kernel: Kernel) -> None:
    assert kernel.look() == MachineMemory(total_bytes=64 * GIB, used_bytes=24 * GIB)


def test_a_limit_above_the_machine_does_not_count(kernel: Kernel) -> None:
    kernel.in_group("4:memory:/box")
    kernel.limit_v1("memory/box", 9223372036854771712, GIB, 0)

    assert kernel.look().total_bytes == 64 * GIB


def test_a_limit_counts_and_what_the_group_uses_but_droppable_caches(kernel: Kernel) -> None:
    kernel.in_group("0::/system.slice/ftd.service")
    kernel.limit("system.slice/ftd.service", str(8 * GIB), 3 * GIB, GIB)

    assert kernel.look() == MachineMemory(total_bytes=8 * GIB, used_bytes=2 * GIB)


def test_the_tightest_limit_of_all_groups_above_counts(kernel: Kernel) -> None:
    kernel.in_group("0::/outer/inner")
    kernel.limit("outer/inner", str(16 * GIB), GIB, 0)
    kernel.limit("outer", str(8 * GIB), 5 * GIB, 0)

    assert kernel.look() == MachineMemory(total_bytes=8 * GIB, used_bytes=5 * GIB)


def test_a_group_without_a_limit_has_none(kernel: Kernel) -> None:
    kernel.in_group("0::/user")
    kernel.limit("user", "max", GIB, 0)

    assert kernel.look().total_bytes == 64 * GIB


def test_the_older_kind_of_group_counts_as_well(kernel: Kernel) -> None:
    kernel.in_group("9:name=systemd:/\n4:cpu,memory:/docker/4f2a")
    kernel.limit_v1("memory", 4 * GIB, 3 * GIB, GIB)  # within a container its own is the root

    assert kernel.look() == MachineMemory(total_bytes=4 * GIB, used_bytes=2 * GIB)


def test_a_machine_that_others_filled_leaves_less_than_the_limit(kernel: Kernel) -> None:
    kernel.in_group("0::/ftd")
    kernel.limit("ftd", str(60 * GIB), GIB, 0)

    look = kernel.look()

    assert look.total_bytes - look.used_bytes == 40 * GIB


def test_this_machine_has_memory() -> None:
    look = memory.look()

    assert 0 < look.used_bytes < look.total_bytes
