"""Who is of an attempt and who only looks like it. Real processes."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ftd.jobs import kin
from ftd.jobs.cgroup import Groups
from ftd.jobs.kin import Search
from ftd.jobs.sweep import NOTHING, Sweep, told
from fttrain.spec import mark, rundir
from fttrain.spec.rundir import ExitReport, Orphan, ProcessIdentity

JOB = "7" * 32
OVER = 5.0
WEARS = """
import os, sys
from fttrain import kinship
from fttrain.spec.rundir import ProcessIdentity
pid, ticks = map(int, sys.argv[1:3])
kinship.put_on_mark(ProcessIdentity(pid=pid, start_ticks=ticks, boot_id=""))
if len(sys.argv) > 3:
    os.execve(sys.argv[3], sys.argv[3:], {})
print("ready", flush=True)
sys.stdin.read()
"""
HOLDS_FILES = """
import mmap, os, sys
log = open(sys.argv[1] + "/log.txt", "a+b")
log.write(b"x"); log.flush()
seen = mmap.mmap(log.fileno(), 0)
os.chdir(sys.argv[1])
print("ready", flush=True)
sys.stdin.read()
"""
Running = contextlib.AbstractContextManager["subprocess.Popen[bytes]"]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run directory whose shim has ended: this process stands for it, with another start."""
    folder = tmp_path / "runs" / JOB / "1"
    folder.mkdir(parents=True)
    assert rundir.take_start(folder, shim())
    return folder


def shim() -> ProcessIdentity:
    own = ProcessIdentity.of(os.getpid())
    assert own is not None
    return replace(own, start_ticks=own.start_ticks - 1)


@contextlib.contextmanager
def process(*command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process that says when it is ready, and ends with its input."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        yield running
        running.communicate()


def wearing(own: ProcessIdentity, *program: str) -> Running:
    """Run a process with the mark of a shim, or have it become another program."""
    told = (str(own.pid), str(own.start_ticks))
    return process(sys.executable, "-c", WEARS, *told, *program)


def found(**known: object) -> list[int]:
    search = Search(shim=shim(), **known)  # type: ignore[arg-type]
    return [each.pid for each in kin.find(search)]


def test_who_wears_the_mark_is_known() -> None:
    with wearing(shim()) as worker:
        assert found() == [worker.pid]
        assert (shim().pid, shim().start_ticks) in kin.marked()
    assert found() == []


def test_a_program_that_was_told_nothing_is_known_with_what_it_starts() -> None:
    script = "/bin/sleep 60 & echo ready; /bin/cat; kill $!"
    with wearing(shim(), "/bin/sh", "-c", script) as program:
        assert program.pid in found()
        assert len(found()) >= 2
        assert (Path("/proc") / str(program.pid) / "environ").read_bytes() == b""


def test_who_only_uses_the_files_of_an_attempt_is_nobody(run_dir: Path) -> None:
    with process(sys.executable, "-c", HOLDS_FILES, str(run_dir)):
        assert found() == []


def test_the_mark_of_another_shim_is_not_this_ones() -> None:
    for other in (replace(shim(), pid=shim().pid + 1), replace(shim(), start_ticks=1)):
        with wearing(other):
            assert found() == []


def test_a_mark_names_its_shim() -> None:
    largest = ProcessIdentity(pid=(1 << 22) - 1, start_ticks=1 << 38, boot_id="")

    assert mark.read(mark.of(largest)) == (largest.pid, largest.start_ticks)
    assert mark.of(largest) < resource.RLIM_INFINITY & (1 << 63) - 1
    assert kin.mark_of(os.getpid()) is None
    assert kin.mark_of(1 << 22) is None


def test_nobody_is_of_an_attempt_that_began_after_it() -> None:
    with wearing(shim()) as early:
        began = ProcessIdentity.of(early.pid)
        assert began is not None
        late = replace(shim(), start_ticks=began.start_ticks + 100)
        assert kin.find(Search(shim=late, group=lambda: [early.pid])) == []


def test_another_boot_has_left_nothing() -> None:
    search = Search(shim=replace(shim(), boot_id="of yesterday"), group=lambda: [os.getpid()])

    assert kin.find(search) == []


async def test_a_copy_of_a_state_directory_ends_nothing_of_the_other(
    tmp_path: Path, run_dir: Path
) -> None:
    other = tmp_path / "copy"
    shutil.copytree(run_dir.parent.parent, other)
    (other / JOB / "1" / rundir.SHIM).unlink()
    rundir.take_start(other / JOB / "1", replace(shim(), pid=1))
    with wearing(shim()) as worker:
        assert await Sweep(Groups()).end_all(other, except_of=()) == []
        assert worker.poll() is None
        jobs = await Sweep(Groups()).end_all(run_dir.parent.parent, except_of=())
        assert worker.wait(OVER) == -9

    assert jobs == [JOB]


async def test_what_a_living_shim_has_is_left_to_it(tmp_path: Path) -> None:
    run_dir = tmp_path / JOB / "1"
    run_dir.mkdir(parents=True)
    own = ProcessIdentity.of(os.getpid())
    assert own is not None
    rundir.take_start(run_dir, own)
    with wearing(own) as worker:
        assert await Sweep(Groups()).end(run_dir) == NOTHING
        assert await Sweep(Groups()).end_all(tmp_path, except_of=()) == []
        assert worker.poll() is None


async def test_what_the_shim_gave_up_is_tried_again(run_dir: Path) -> None:
    with process("/bin/sh", "-c", "echo ready; exec cat") as left:
        identity = ProcessIdentity.of(left.pid)
        assert identity is not None
        report = ExitReport(
            exit_code=0, signal=None, terminated=False, user_s=0, system_s=0, max_rss_bytes=0,
            orphans=(Orphan(pid=left.pid, name="cat"), Orphan(pid=4, name="loader")),
            end_time=0, left=(identity,),
        )  # fmt: skip

        swept = await Sweep(Groups()).end(run_dir, report)

        assert left.wait(OVER) == -9
    assert told(report, swept) == [
        f"Processes that outlived the worker were ended: loader (4), cat ({left.pid})."
    ]
