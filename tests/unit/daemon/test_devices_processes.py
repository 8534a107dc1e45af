"""Processes as /proc shows them: real ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ftd.devices import processes
from ftd.devices.processes import Footprint, Process
from tests.fakes.holding import MIB, holding


def process(pid: int, parent: int) -> Process:
    return Process(pid=pid, parent=parent, name="", resident_bytes=0)


def pss_bytes(pid: int) -> int:
    """Return the kernel's figure, added up mapping by mapping."""
    lines = Path(f"/proc/{pid}/smaps").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024


def test_the_table_holds_this_process_and_its_parent() -> None:
    table = processes.table()

    own = table[os.getpid()]
    assert own.parent == os.getppid()
    assert own.name == Path("/proc/self/comm").read_text().strip()
    assert own.resident_bytes > 10 * MIB


def test_a_name_may_hold_what_parts_the_fields() -> None:
    code = "import sys; open('/proc/self/comm', 'w').write('a) S 1 (b'); print(); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        child.stdout.readline()
        seen = processes.table()[child.pid]
        child.communicate()

    assert (seen.name, seen.parent) == ("a) S 1 (b", os.getpid())


def test_a_tree_is_the_root_and_all_beneath_it() -> None:
    parents = {1: 0, 10: 1, 11: 10, 12: 11, 13: 10, 20: 1, 21: 20}
    table = {pid: process(pid, parent) for pid, parent in parents.items()}

    trees = processes.trees([10, 20, 99], table)

    assert trees == {10: {10, 11, 12, 13}, 20: {20, 21}, 99: frozenset()}


@pytest.mark.parametrize("beneath", [False, True], ids=["itself", "child"])
def test_the_footprint_of_a_tree_is_its_pss(*, beneath: bool) -> None:
    with holding(200 * MIB, beneath=beneath) as holder:
        tree = processes.trees([holder.pid], processes.table())[holder.pid]
        seen = processes.footprint(tree)
        told = sum(pss_bytes(pid) for pid in tree)

    assert len(tree) == 1 + beneath
    assert seen.pss_bytes == pytest.approx(told, rel=0.02)
    assert seen.pss_bytes == pytest.approx(200 * MIB, rel=0.1)
    assert 200 * MIB <= seen.anonymous_bytes <= seen.pss_bytes


def test_a_process_that_is_gone_holds_nothing_and_has_no_name() -> None:
    with subprocess.Popen(["true"]) as child:
        child.wait()

    assert processes.footprint([child.pid]) == Footprint()
    assert processes.name(child.pid) == ""


def test_a_process_that_waits_for_its_parent_to_take_note_holds_nothing() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    seen = processes.footprint([child.pid])

    child.wait()
    assert seen == Footprint()


def test_the_largest_are_named_with_what_is_their_own() -> None:
    with holding(150 * MIB) as small, holding(300 * MIB) as large:
        table = processes.table()
        without = table.keys() - {small.pid, large.pid}
        first, second = processes.largest(table, without, 16)
        (only,) = processes.largest(table, without, 1)

    assert (first.pid, second.pid) == (large.pid, small.pid)
    assert first.memory_bytes == pytest.approx(300 * MIB, rel=0.1)
    assert second.memory_bytes == pytest.approx(150 * MIB, rel=0.1)
    assert first.name.startswith("python")
    assert only == first


def test_small_ones_are_not_named() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        table = processes.table()
        named = processes.largest(table, table.keys() - {child.pid}, 16)
        child.communicate()

    assert named == ()
