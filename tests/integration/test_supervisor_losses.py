"""The supervisor when attempts, planners and starts are lost through no fault of their job."""

import os
import signal
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from ftd.jobs.model import Attempt, EventKind, Job, JobState
from ftd.jobs.supervisor import Supervisor, utc_now
from fttrain.spec import rundir
from tests.fakes.supervising import daemon, planners, states_of, submit, until, watch, worker_of
from tests.wait import wait_until


async def test_a_job_whose_shim_is_killed_goes_on_in_another_attempt(
    supervisor: Supervisor,
) -> None:
    job = await submit(supervisor, "wait")
    await until(supervisor, job, JobState.RUNNING)
    first = await supervisor.store.get(job.id)

    shim_of(first).kill()
    await until(supervisor, job, JobState.QUEUED, "attempt 1 was lost: goes on from its last ")
    await wait_until(lambda: is_running(supervisor, job, attempt=2))
    second = await supervisor.store.get(job.id)

    assert rundir.read_attempt(Path(second.run_dir)).earlier == [first.run_dir]
    await supervisor.cancel(job.id)
    assert states_of(await watch(supervisor, job)) == [
        "queued", "starting", "running", "queued", "starting", "running", "cancelling",
        "cancelled",
    ]  # fmt: skip
    assert [each.end_time is not None for each in await attempts_of(supervisor, job)] == [True] * 2


async def test_after_the_machine_was_restarted_jobs_go_on_in_another_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with daemon(tmp_path) as first:
        job = await submit(first, "wait")
        await until(first, job, JobState.RUNNING)
        was = await first.store.get(job.id)
    shim, worker = shim_of(was), worker_of(was)

    # The shim's pid and start may be another process's now: after a boot they say nothing.
    monkeypatch.setattr(rundir, "boot_id", lambda: "another")
    async with daemon(tmp_path) as second:
        await until(second, job, JobState.QUEUED, "attempt 1 was lost")
        assert shim.is_running()
        await second.cancel(job.id)

        assert states_of(await watch(second, job))[-1] == "cancelled"
    shim.kill()
    psutil.wait_procs([shim, worker], timeout=10)


async def test_a_job_that_is_lost_5_times_without_getting_on_fails(
    supervisor: Supervisor,
) -> None:
    job = await submit(supervisor, "lose-the-shim")

    ended = (await watch(supervisor, job))[-1].body["outcome"]

    assert ended["reason"] == "lost"
    assert ended["message"] == (
        "The worker is gone and left no account of its end, 5 times in a row without an epoch or "
        "a checkpoint."
    )
    assert ended["remedy"] == (
        "If the machine restarts or somebody ends its shim each time, find out why; then submit "
        "the job again."
    )
    outcomes = [each.outcome for each in await attempts_of(supervisor, job)]
    assert [outcome.message for outcome in outcomes if outcome is not None] == [
        "The worker is gone and left no account of its end."
    ] * 5


async def test_a_job_that_gets_on_may_be_lost_for_ever_and_tells_each_epoch_once(
    supervisor: Supervisor,
) -> None:
    job = await submit(supervisor, "tell-an-epoch-and-lose-the-shim")

    events = await watch(supervisor, job)

    told = [event.body["epoch"] for event in events if event.kind is EventKind.EPOCH]
    assert told == [1, 2, 3, 4, 5, 6, 7]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    ended = await supervisor.store.get(job.id)
    assert (ended.state, ended.attempt) == (JobState.SUCCEEDED, 7)
    assert [each["epoch"] for each in ended.epochs] == told


async def test_a_cancelled_job_whose_shim_is_killed_is_cancelled(supervisor: Supervisor) -> None:
    job = await submit(supervisor, "ignore-sigterm")
    await until(supervisor, job, JobState.RUNNING)
    shim = shim_of(await supervisor.store.get(job.id))

    await supervisor.cancel(job.id)
    shim.kill()

    assert states_of(await watch(supervisor, job))[-1] == "cancelled"


async def test_a_zygote_that_dies_while_it_plans_holds_nobody_up(supervisor: Supervisor) -> None:
    job = await submit(supervisor, "finish", net="hang")
    await end_zygote_while_it_plans(supervisor)
    await end_zygote_while_it_plans(supervisor)

    await wait_until(lambda: bool(planners(supervisor)))

    assert (await supervisor.store.get(job.id)).state is JobState.QUEUED
    await supervisor.cancel(job.id)
    await wait_until(lambda: not planners(supervisor))


async def test_a_zygote_that_gives_no_answer_is_replaced(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftd.jobs.zygote._ANSWER_S", 0.5)
    await watch(supervisor, await submit(supervisor, "finish"))
    silent = psutil.Process(supervisor.zygote_pid)
    silent.suspend()

    job = await submit(supervisor, "finish")

    assert states_of(await watch(supervisor, job))[-1] == "succeeded"
    assert not silent.is_running()


async def test_an_attempt_whose_daemon_died_right_before_it_could_end_it_is_ended(
    tmp_path: Path,
) -> None:
    async with daemon(tmp_path) as first:
        blocker = await submit(first, "wait")
        await until(first, blocker, JobState.RUNNING)
        job = await submit(first, "wait-2")
        await until(first, job, JobState.QUEUED, "waits for a device")
        left = await first.store.get(job.id)
        open_one = Attempt(
            job_id=job.id, number=1, run_dir=str(tmp_path / "1"), devices=("cpu0",),
            start_time=utc_now() - timedelta(hours=1),
        )  # fmt: skip
        begun = replace(left, attempt=1, run_dir=open_one.run_dir)
        await first.store.append(begun, [], attempt=open_one)

    async with daemon(tmp_path) as second:
        (ended,) = await attempts_of(second, job)
        for each in (job, blocker):
            await second.cancel(each.id)
        await watch(second, blocker)

    assert ended.end_time is not None


async def end_zygote_while_it_plans(supervisor: Supervisor) -> None:
    await wait_until(lambda: bool(planners(supervisor)))
    zygote, planner = supervisor.zygote_pid, planners(supervisor)[0]
    os.kill(zygote, signal.SIGKILL)
    await wait_until(lambda: not planner.is_running() and supervisor.zygote_pid != zygote)


def shim_of(job: Job) -> psutil.Process:
    identity = rundir.read_shim(Path(job.run_dir))
    assert identity is not None
    return psutil.Process(identity.pid)


def is_running(supervisor: Supervisor, job: Job, *, attempt: int) -> bool:
    now = supervisor.ledger.find(job.id)
    return now is not None and (now.state, now.attempt) == (JobState.RUNNING, attempt)


async def attempts_of(supervisor: Supervisor, job: Job) -> list[Attempt]:
    return await supervisor.store.attempts([job.id])
