"""A shim ends and accounts for everything beneath it. Real processes, real signals."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from ftd.jobs.zygote import Process, Zygote
from fttrain import events
from fttrain.spec import rundir
from tests.fakes import zygote_of_faults
from tests.fakes.attempts import make_run_dir, recipe_of
from tests.wait import wait_until

COMMAND = (sys.executable, "-P", str(Path(zygote_of_faults.__file__)))
GRACE_S = 0.3


@pytest.fixture
async def zygote(tmp_path: Path) -> AsyncIterator[Zygote]:
    async with Zygote(tmp_path / "zygote.log", COMMAND).running() as running:
        yield running


@contextlib.asynccontextmanager
async def started(zygote: Zygote, tmp_path: Path, act: str) -> AsyncIterator[tuple[Path, Process]]:
    run_dir = make_run_dir(tmp_path, act)
    process = await zygote.start(run_dir, grace_s=GRACE_S)
    try:
        await wait_until(lambda: _has_started(run_dir))
        yield run_dir, process
    finally:
        process.send(signal.SIGKILL)
        process.close()


def _has_started(run_dir: Path) -> bool:
    entries, _ = events.read(run_dir / rundir.JOURNAL)
    return any(isinstance(entry.record, events.Started) for entry in entries)


def _exit(run_dir: Path) -> rundir.ExitReport:
    report = rundir.read_exit(run_dir)
    assert report is not None
    return report


async def test_a_worker_that_finishes_leaves_code_usage_and_log(
    zygote: Zygote, tmp_path: Path
) -> None:
    async with started(zygote, tmp_path, "finish") as (run_dir, process):
        await process.wait()

    report = _exit(run_dir)
    assert (report.exit_code, report.signal, report.terminated) == (0, None, False)
    assert report.orphans == ()
    assert report.max_rss_bytes > 1_000_000
    assert (run_dir / rundir.LOG).read_text() == "all done\n"


async def test_a_crash_is_reported_with_its_signal(zygote: Zygote, tmp_path: Path) -> None:
    async with started(zygote, tmp_path, "die-of-segv") as (run_dir, process):
        await process.wait()

    assert (_exit(run_dir).exit_code, _exit(run_dir).signal) == (None, signal.SIGSEGV)
    assert "about to crash" in (run_dir / rundir.LOG).read_text()


async def test_an_unexpected_error_ends_in_code_1_and_its_trace_in_the_log(
    zygote: Zygote, tmp_path: Path
) -> None:
    async with started(zygote, tmp_path, "raise-an-error") as (run_dir, process):
        await process.wait()

    assert _exit(run_dir).exit_code == 1
    assert "RuntimeError: nobody expected this" in (run_dir / rundir.LOG).read_text()


async def test_sigterm_to_the_shim_ends_a_willing_worker_at_once(
    zygote: Zygote, tmp_path: Path
) -> None:
    async with started(zygote, tmp_path, "wait") as (run_dir, process):
        process.send(signal.SIGTERM)
        await process.wait()

    assert (_exit(run_dir).signal, _exit(run_dir).terminated) == (signal.SIGTERM, True)


async def test_a_worker_that_ignores_sigterm_is_killed_after_the_grace(
    zygote: Zygote, tmp_path: Path
) -> None:
    async with started(zygote, tmp_path, "ignore-sigterm") as (run_dir, process):
        began = time.monotonic()
        process.send(signal.SIGTERM)
        await process.wait()

    assert time.monotonic() - began >= GRACE_S
    assert (_exit(run_dir).signal, _exit(run_dir).terminated) == (signal.SIGKILL, True)


async def test_double_forked_children_in_their_own_sessions_end_and_are_named(
    zygote: Zygote, tmp_path: Path
) -> None:
    async with started(zygote, tmp_path, "leave-orphans-and-exit") as (run_dir, process):
        await process.wait()

    report = _exit(run_dir)
    assert report.exit_code == 0
    assert len(report.orphans) == 2
    assert not any(psutil.pid_exists(orphan.pid) for orphan in report.orphans)
    assert all("python" in orphan.name or "finetuned" in orphan.name for orphan in report.orphans)


async def test_the_kernel_ends_the_worker_when_its_shim_is_killed(
    zygote: Zygote, tmp_path: Path
) -> None:
    async with started(zygote, tmp_path, "ignore-sigterm") as (_, process):
        worker = psutil.Process(process.pid).children()[0]
        process.send(signal.SIGKILL)
        await process.wait()
        await wait_until(lambda: not worker.is_running())


async def test_a_shim_outlives_the_zygote_and_a_new_zygote_starts(
    zygote: Zygote, tmp_path: Path
) -> None:
    async with started(zygote, tmp_path, "wait") as (run_dir, process):
        first = zygote.pid
        os.kill(first, signal.SIGKILL)
        await wait_until(lambda: zygote.pid != first)
        assert not process.has_ended

        second = make_run_dir(tmp_path, "finish", job_id="k" * 32)
        other = await zygote.start(second, grace_s=GRACE_S)
        await other.wait()
        other.close()

        process.send(signal.SIGTERM)
        await process.wait()
        assert _exit(run_dir).terminated


async def test_a_shim_is_small_and_has_one_thread(zygote: Zygote, tmp_path: Path) -> None:
    async with started(zygote, tmp_path, "wait") as (run_dir, process):
        shim = psutil.Process(process.pid)
        assert shim.num_threads() == 1
        identity = rundir.read_shim(run_dir)
        assert identity is not None
        assert identity.is_alive
        process.send(signal.SIGTERM)
        await process.wait()
        await wait_until(lambda: not identity.is_alive)


def _spare(zygote: Zygote) -> psutil.Process:
    """Return the shim that waits for the next job, once it has its worker."""
    (shim,) = psutil.Process(zygote.pid).children()
    return shim


async def _with_worker(zygote: Zygote, tmp_path: Path) -> tuple[psutil.Process, psutil.Process]:
    """Return the waiting shim and its worker."""
    async with started(zygote, tmp_path, "finish") as (_, process):
        await process.wait()
    await wait_until(lambda: len(psutil.Process(zygote.pid).children()) == 1)
    await wait_until(lambda: bool(_spare(zygote).children()))
    return _spare(zygote), _spare(zygote).children()[0]


async def test_the_next_job_takes_the_shim_and_the_worker_that_wait(
    zygote: Zygote, tmp_path: Path
) -> None:
    shim, worker = await _with_worker(zygote, tmp_path)

    run_dir = make_run_dir(tmp_path, "finish", job_id="k" * 32)
    process = await zygote.start(run_dir, grace_s=GRACE_S)
    await process.wait()
    process.close()

    entries, _ = events.read(run_dir / rundir.JOURNAL)
    pids = [entry.record.pid for entry in entries if isinstance(entry.record, events.Started)]
    assert process.pid == shim.pid
    assert pids == [worker.pid]


def has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # It was fetched between the two.
        return True


@pytest.mark.parametrize("which", [0, 1], ids=["shim", "worker"])
async def test_a_job_does_not_pay_for_a_waiting_process_that_was_killed(
    zygote: Zygote, tmp_path: Path, which: int
) -> None:
    waiting = await _with_worker(zygote, tmp_path)
    waiting[which].kill()
    await wait_until(lambda: has_ended(waiting[1]))

    run_dir = make_run_dir(tmp_path, "finish", job_id="k" * 32)
    process = await zygote.start(run_dir, grace_s=GRACE_S)
    await process.wait()
    process.close()

    assert _exit(run_dir).exit_code == 0


async def test_who_waits_ends_with_the_zygote(zygote: Zygote, tmp_path: Path) -> None:
    shim, worker = await _with_worker(zygote, tmp_path)

    os.kill(zygote.pid, signal.SIGKILL)

    await wait_until(lambda: not shim.is_running() and not worker.is_running())


async def test_cancelling_the_plan_call_ends_the_planner(zygote: Zygote, tmp_path: Path) -> None:
    folder = tmp_path / "planning"
    folder.mkdir()
    request = {"recipe_json": json.dumps(recipe_of(net="hang"))}
    (folder / "request.json").write_text(json.dumps(request))
    process = await zygote.plan(folder)
    asyncio.get_running_loop().call_soon(process.send, signal.SIGKILL)
    await process.wait()
    process.close()
    assert not (folder / rundir.PLAN).exists()


async def test_a_stopped_zygote_ends_with_its_daemon() -> None:
    daemon = (
        "import socket, subprocess, sys, time\n"
        "_, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        "command = [sys.executable, '-P', '-m', 'fttrain.zygote', str(theirs.fileno()), '0']\n"
        "print(subprocess.Popen(command, pass_fds=[theirs.fileno()]).pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", daemon, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    zygote = psutil.Process(int(await process.stdout.readline()))
    await wait_until(lambda: " ".join(zygote.cmdline()).strip() == "finetuned zygote")
    zygote.suspend()

    process.kill()
    await process.wait()

    await wait_until(lambda: has_ended(zygote))
