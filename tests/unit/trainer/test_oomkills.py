"""The kernel's counters tell whether it ended a process for want of memory."""

from pathlib import Path

import pytest

from fttrain import oomkills

EVENTS = "low 0\nhigh 3\nmax 12\noom 5\noom_kill {}\noom_group_kill 0\n"
CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"
VMSTAT = "nr_free_pages 1\noom_kill 7\nnr_unstable 0\n"


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "proc/vmstat", VMSTAT)
    return tmp_path


def test_the_own_group_counts_where_it_can(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/finetuned.service/4711.3\n")
    write(root, "sys/fs/cgroup/finetuned.service/4711.3/memory.events", EVENTS.format(2))
    write(root, "sys/fs/cgroup/finetuned.service/memory.events", EVENTS.format(5))

    assert oomkills.count(root) == 2


def test_else_the_nearest_group_above(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/finetuned.service/daemon\n")
    write(root, "sys/fs/cgroup/finetuned.service/memory.events", EVENTS.format(5))

    assert oomkills.count(root) == 5


def test_groups_of_version_1_count_too_also_in_a_container(root: Path) -> None:
    write(root, "proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/0123\n0::/\n")
    write(root, "sys/fs/cgroup/memory/memory.oom_control", CONTROL.format(3))

    assert oomkills.count(root) == 3


def test_without_any_group_the_machine_counts(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/\n")

    assert oomkills.count(root) == 7


def test_nobody_may_count(tmp_path: Path) -> None:
    assert oomkills.count(tmp_path) is None


class Machine:
    """A clock and a counter that tests set."""

    def __init__(self) -> None:
        self.now = 0.0
        self.kills: int | None = 4

    @property
    def since(self) -> oomkills.Since:
        return oomkills.Since(clock=lambda: self.now, count=lambda: self.kills)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_what_the_kernel_ended_right_before_is_counted(machine: Machine) -> None:
    since = machine.since
    since.look()
    machine.now, machine.kills = 4.9, 5
    since.look()

    assert since.kills == 1


def test_what_it_ended_long_before_is_not(machine: Machine) -> None:
    since = machine.since
    for now in (0.0, 5.0, 10.0, 15.0):
        machine.now = now
        since.look()
        machine.kills = 9 if now == 0.0 else machine.kills

    assert since.kills == 0


def test_where_nobody_counts_there_are_none(machine: Machine) -> None:
    machine.kills = None
    since = machine.since
    since.look()

    assert since.kills == 0
