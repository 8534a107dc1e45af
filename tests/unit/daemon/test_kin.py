"""Who is of an attempt and who only looks like it. Real processes."""

import contextlib
import os
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
# As a daemon forks: by a mapping, whatever becomes of its files.
WEARS = """
import os, sys
from pathlib import Path
from fttrain import kinship
kinship.put_on_mark(Path(sys.argv[1]))
os.environ.clear()
os.closerange(3, 1024)
os.chdir("/")
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
def process(*command: str, **how: object) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process that says when it is ready, and ends with its input."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **how) as running:  # type: ignore[call-overload]
        assert running.stdout.readline() == b"ready\n"
        yield running
        running.communicate()


def sleeper(**environment: str) -> "contextlib.AbstractContextManager[subprocess.Popen[bytes]]":
    return process("/bin/sh", "-c", "echo ready; cat", env={"PATH": "/bin:/usr/bin", **environment})


def found(run_dir: Path, **known: object) -> list[int]:
    search = Search(run_dir=run_dir, shim=shim(), **known)  # type: ignore[arg-type]
    return [each.pid for each in kin.find(search)]


def test_who_was_forked_is_known_whatever_it_has_closed(run_dir: Path) -> None:
    with process(sys.executable, "-c", WEARS, str(run_dir)) as worker:
        assert found(run_dir) == [worker.pid]
        assert kin.marked(run_dir.parent.parent)[run_dir] == shim()


def test_a_program_that_was_started_is_known_with_its_children(run_dir: Path) -> None:
    script, told = "sleep 60 & echo ready; cat; kill $!", mark.of(run_dir, shim())
    with process("/bin/sh", "-c", script, env={**os.environ, mark.VARIABLE: told}) as program:
        assert program.pid in found(run_dir)
        assert len(found(run_dir)) >= 2  # the shell and what it has started


def test_who_only_uses_the_files_of_an_attempt_is_nobody(run_dir: Path) -> None:
    with process(sys.executable, "-c", HOLDS_FILES, str(run_dir)):
        assert found(run_dir) == []


@pytest.mark.parametrize("other", ["attempt", "job", "shim", "nonsense"])
def test_the_mark_of_another_attempt_is_not_this_ones(run_dir: Path, other: str) -> None:
    marks = {
        "attempt": mark.of(run_dir.with_name("2"), shim()),
        "job": mark.of(run_dir.parent.with_name("8" * 32) / "1", shim()),
        "shim": mark.of(run_dir, replace(shim(), start_ticks=1)),
        "nonsense": "FINETUNED/",
    }
    with sleeper(**{mark.VARIABLE: marks[other]}):
        assert found(run_dir) == []


def test_a_session_is_known_only_from_the_time_when_it_was_the_shims(run_dir: Path) -> None:
    """The shim's number may be another session's by now: who began later is left alone."""
    began = kin.ticks_now()
    session = replace(shim(), pid=os.getsid(0), start_ticks=shim().start_ticks)
    search = Search(run_dir=run_dir, shim=session)
    with sleeper() as later:
        own = kin.read(later.pid)
        assert own is not None
        until = own.start_ticks
        pids = [
            {each.pid for each in kin.find(replace(search, ended_ticks=ticks))}
            for ticks in (None, min(began, until) - 1, until)
        ]

    assert [later.pid in each for each in pids] == [False, False, True]


def test_nobody_is_of_an_attempt_that_began_after_it(run_dir: Path) -> None:
    with sleeper(**{mark.VARIABLE: "x"}) as early:
        late = ProcessIdentity.of(early.pid)
        assert late is not None
        search = Search(
            run_dir=run_dir, shim=replace(shim(), start_ticks=late.start_ticks + 100),
            group=lambda: [early.pid],
        )  # fmt: skip
        assert kin.find(search) == []


def test_another_boot_has_left_nothing(run_dir: Path) -> None:
    search = Search(
        run_dir=run_dir, shim=replace(shim(), boot_id="of yesterday"), group=lambda: [os.getpid()]
    )

    assert kin.find(search) == []


async def test_a_copy_of_a_state_directory_ends_nothing_of_the_other(
    tmp_path: Path, run_dir: Path
) -> None:
    other = tmp_path / "copy"
    shutil.copytree(run_dir.parent.parent, other)
    (other / JOB / "1" / rundir.SHIM).unlink()
    rundir.take_start(other / JOB / "1", replace(shim(), pid=1))
    with process(sys.executable, "-c", WEARS, str(run_dir)) as worker:
        assert await Sweep(Groups()).end_all(other, except_of=()) == []
        assert worker.poll() is None
        jobs = await Sweep(Groups()).end_all(run_dir.parent.parent, except_of=())
        assert worker.wait(OVER) == -9

    assert jobs == [JOB]


async def test_what_a_living_shim_has_is_left_to_it(tmp_path: Path) -> None:
    run_dir = tmp_path / JOB / "1"
    run_dir.mkdir(parents=True)
    rundir.take_start(run_dir, ProcessIdentity.of(os.getpid()))
    with process(sys.executable, "-c", WEARS, str(run_dir)) as worker:
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
