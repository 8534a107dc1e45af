"""Jobs that are paused, resumed and preempted, by a real zygote; the workers are fakes."""

import asyncio
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from ftd.errors import JobEnded, JobNotFound, JobNotRunning
from ftd.jobs import attempt, pausing
from ftd.jobs.callers import Caller
from ftd.jobs.model import EventKind, JobState, OutcomeReason
from ftd.jobs.supervisor import Supervisor
from fttrain.spec import rundir
from tests.fakes.paused import (
    HEED,
    Hands,
    again,
    attempts,
    now,
    pause,
    paused,
    resume,
    started,
)
from tests.fakes.supervising import daemon, states_of, submit, until, watch, worker_of


async def test_a_paused_job_gives_its_device_back_and_goes_on_when_it_is_resumed(
    supervisor: Supervisor,
) -> None:
    job = await started(supervisor, HEED)

    asked = await pause(supervisor, job)
    await until(supervisor, job, JobState.PAUSED)
    meanwhile = await started(supervisor, "wait")
    stands = await now(supervisor, job)
    await supervisor.cancel(meanwhile.id)
    queued = await resume(supervisor, job)
    goes_on = await again(supervisor, job, JobState.RUNNING, attempt=2)

    assert (asked.state, asked.reason) == (JobState.RUNNING, "pausing")
    assert (stands.state, stands.reason) == (JobState.PAUSED, "paused by ann")
    assert stands.progress is not None
    assert stands.progress["step"] == 10
    assert queued.state in (JobState.QUEUED, JobState.STARTING)
    assert (goes_on.attempt, goes_on.reason, goes_on.failures) == (2, "", 0)
    first, _ = await attempts(supervisor, job)
    assert first.outcome is not None
    assert first.outcome.reason is OutcomeReason.PAUSED_BY_USER
    assert first.outcome.message == "Paused by ann after step 10."
    card = await asyncio.to_thread(rundir.read_attempt, Path(goes_on.run_dir))
    assert card.earlier == [first.run_dir]
    await supervisor.cancel(job.id)
    assert states_of(await watch(supervisor, job)) == [
        "queued", "starting", "running", "paused", "queued", "starting", "running", "cancelling",
        "cancelled",
    ]  # fmt: skip


async def test_a_job_that_waits_is_held_back_and_keeps_its_place(supervisor: Supervisor) -> None:
    blocker = await started(supervisor, "wait")
    first, second = await submit(supervisor, HEED), await submit(supervisor, f"{HEED}-2")

    held = await pause(supervisor, first)
    same = await pause(supervisor, first)
    await supervisor.cancel(blocker.id)
    await until(supervisor, second, JobState.RUNNING)
    third = await submit(supervisor, f"{HEED}-3")
    await resume(supervisor, first)
    await supervisor.cancel(second.id)
    await until(supervisor, first, JobState.RUNNING)

    assert (held.state, held.reason) == (JobState.PAUSED, "paused by ann")
    assert (same.state, same.reason) == (held.state, held.reason)
    assert (await now(supervisor, third)).state is JobState.QUEUED
    assert (await now(supervisor, first)).attempt == 1
    await supervisor.cancel(third.id)
    await supervisor.cancel(first.id)


async def test_a_job_that_is_being_started_is_paused_as_soon_as_it_can(
    supervisor: Supervisor,
) -> None:
    job = await submit(supervisor, HEED)
    await until(supervisor, job, JobState.STARTING)

    assert (await paused(supervisor, job)).attempt == 1


async def test_a_job_that_is_paused_while_its_start_is_prepared_is_not_started(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await paused(supervisor, await started(supervisor, HEED))
    begun, gate = threading.Event(), threading.Event()

    def prepared(*given: Any) -> Path:
        begun.set()
        assert gate.wait(20)
        return prepare(*given)

    prepare = attempt.prepare
    with monkeypatch.context() as patched:
        patched.setattr(attempt, "prepare", prepared)
        await resume(supervisor, job)
        await asyncio.to_thread(begun.wait, 20)
        held = await pause(supervisor, job)
        gate.set()
        blocker = await started(supervisor, "wait")  # the device was given back
    await supervisor.cancel(blocker.id)
    await resume(supervisor, job)
    goes_on = await again(supervisor, job, JobState.RUNNING, attempt=2)

    assert (held.state, held.attempt) == (JobState.PAUSED, 1)
    assert [each.number for each in await attempts(supervisor, job)] == [1, 2]
    await supervisor.cancel(goes_on.id)


async def test_jobs_after_a_paused_one_wait_and_the_paused_one_can_be_cancelled(
    supervisor: Supervisor,
) -> None:
    job = await paused(supervisor, await started(supervisor, HEED))
    heir = await submit(supervisor, "finish", after=(job.id,))
    await until(supervisor, heir, JobState.QUEUED, f"waits for {HEED}")

    with pytest.raises(JobNotRunning) as refused:
        await supervisor.finish(job.id)
    ended = await supervisor.cancel(job.id)
    with pytest.raises(JobEnded) as late:
        await pause(supervisor, job)
    with pytest.raises(JobEnded) as later:
        await resume(supervisor, job)

    assert str(refused.value) == (
        f"job {HEED} is paused: `ftctl resume {HEED}` has it train on, after which this can be "
        f"asked; `ftctl cancel {HEED}` ends it now"
    )
    assert ended.state is JobState.CANCELLED
    assert str(late.value) == (
        f"job {HEED} is cancelled and has ended, there is nothing to pause; submit it again to "
        "have it run again"
    )
    assert "nothing to resume" in str(later.value)
    with pytest.raises(JobNotFound):
        await supervisor.pausing.pause(job.id, caller=Caller(user="bob", is_admin=False))


async def test_a_pause_that_is_called_off_in_time_leaves_the_job_alone(
    supervisor: Supervisor,
) -> None:
    job = await started(supervisor, "wait")

    await pause(supervisor, job)
    goes_on = await resume(supervisor, job)

    assert (goes_on.state, goes_on.reason, goes_on.attempt) == (JobState.RUNNING, "", 1)
    assert not await asyncio.to_thread(rundir.is_to_pause, Path(job.run_dir))
    assert await resume(supervisor, job) == goes_on  # there is nothing to resume
    await supervisor.cancel(job.id)


async def test_a_job_whose_worker_has_seen_a_pause_that_is_called_off_goes_on_by_itself(
    supervisor: Supervisor,
) -> None:
    job = await started(supervisor, HEED)

    await pause(supervisor, job)
    await resume(supervisor, job)

    # Whether the worker saw it or not: it trains, in this attempt or in the next.
    with suppress(JobNotRunning):
        await supervisor.finish(job.id)
    async for event in supervisor.broadcast.subscribe(job.id):
        if event.kind is EventKind.STATE and event.body["state"] == "running" and event.attempt > 1:
            await supervisor.finish(job.id)
    assert (await now(supervisor, job)).state is JobState.SUCCEEDED


async def test_a_cancel_goes_before_a_pause(supervisor: Supervisor) -> None:
    job = await started(supervisor, "ignore-sigterm")

    await pause(supervisor, job)
    await supervisor.cancel(job.id)
    told = await pause(supervisor, job)

    assert told.state is JobState.CANCELLING
    assert states_of(await watch(supervisor, job))[-2:] == ["cancelling", "cancelled"]


async def test_a_worker_that_does_not_end_is_ended_by_force_and_the_job_is_paused(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pausing, "GRACE_S", 0.1)
    job = await paused(supervisor, await started(supervisor, "wait"))

    (attempt,) = await attempts(supervisor, job)

    assert job.reason == "paused by ann"
    assert attempt.outcome is not None
    assert attempt.outcome.message == (
        "Paused by ann; it kept no checkpoint in time and goes on from the one before."
    )


async def test_a_job_that_is_lost_while_it_is_paused_is_not_started_again(
    supervisor: Supervisor,
) -> None:
    job = await paused(supervisor, await started(supervisor, "lose-the-shim-when-paused"))

    assert (job.attempt, job.reason) == (1, "paused by ann")


async def test_what_a_job_was_asked_to_finish_holds_for_the_attempt_after_a_pause(
    supervisor: Supervisor,
) -> None:
    job = await paused(supervisor, await started(supervisor, HEED))
    await asyncio.to_thread(rundir.ask_to_finish, Path(job.run_dir))  # right before it ended

    await resume(supervisor, job)

    assert states_of(await watch(supervisor, job))[-1] == "succeeded"
    assert len(await attempts(supervisor, job)) == 2


async def test_a_job_that_waits_for_room_on_the_disk_stays_paused_where_its_user_says_so(
    supervisor: Supervisor,
) -> None:
    blocker = await started(supervisor, "wait")
    job = await submit(supervisor, "finish")
    full = await supervisor.ledger.move(
        job.id, JobState.PAUSED, only_from=[JobState.QUEUED], reason="disk full: no room"
    )

    told = await pause(supervisor, job)

    assert full is not None
    assert (full.reason, told.reason) == ("disk full: no room", "paused by ann")
    await resume(supervisor, job)
    await supervisor.cancel(blocker.id)
    assert states_of(await watch(supervisor, job))[-1] == "succeeded"


async def test_a_pause_outlives_the_daemon(tmp_path: Path) -> None:
    async with daemon(tmp_path) as first:
        heeding = await started(first, HEED)
        process = worker_of(heeding)
        # As if the daemon died right after the call was answered.
        await asyncio.to_thread(rundir.ask_to_pause, Path(heeding.run_dir), asked_by="ann")
    await asyncio.to_thread(_ended, process)

    async with daemon(tmp_path) as second:
        await until(second, heeding, JobState.PAUSED)
        job = await now(second, heeding)
        assert (job.attempt, job.reason) == (1, "paused by ann")

    async with daemon(tmp_path) as third:
        assert (await now(third, heeding)).state is JobState.PAUSED
        await resume(third, heeding)
        await again(third, heeding, JobState.RUNNING, attempt=2)
        await third.cancel(heeding.id)
        await watch(third, heeding)


async def test_a_job_whose_start_is_lost_with_the_daemon_stays_paused(tmp_path: Path) -> None:
    async with daemon(tmp_path) as first:
        job = await started(first, "wait")
        await asyncio.to_thread(rundir.ask_to_pause, Path(job.run_dir), asked_by="ann")
    identity = rundir.read_shim(Path(job.run_dir))
    assert identity is not None
    shim = psutil.Process(identity.pid)
    shim.kill()
    await asyncio.to_thread(_ended, shim)

    async with daemon(tmp_path) as second:
        await until(second, job, JobState.PAUSED)
        assert (await now(second, job)).attempt == 1


def _ended(process: psutil.Process) -> None:
    psutil.wait_procs([process], timeout=20)


async def test_time_in_which_a_job_is_paused_counts_neither_for_its_timeout_nor_its_devices(
    tmp_path: Path,
) -> None:
    hands = Hands()
    async with daemon(tmp_path, clock=hands) as supervisor:
        job = await started(supervisor, HEED, timeout_s=3600.0)
        hands.now += timedelta(minutes=10)
        await paused(supervisor, job)
        hands.now += timedelta(days=1)
        await resume(supervisor, job)
        await again(supervisor, job, JobState.RUNNING, attempt=2)
        hands.now += timedelta(minutes=10)

        used = sum(each.seconds(hands.now) for each in await attempts(supervisor, job))
        await supervisor.finish(job.id)
        states = states_of(await watch(supervisor, job))

    assert used == pytest.approx(1200, abs=5)
    assert states[-1] == "succeeded"


# Preemption.
