"""A job that waits takes the device of one that may be preempted."""

import errno
import itertools
from datetime import timedelta
from pathlib import Path

import pytest

from ftd.jobs import supervisor as supervising
from ftd.jobs.model import EventKind, Job, JobState, OutcomeReason
from ftd.jobs.supervisor import Supervisor
from fttrain.spec import rundir
from tests.fakes.paused import HEED, Hands, again, attempts, now, pause, started
from tests.fakes.supervising import daemon, states_of, submit, until, watch


async def test_a_job_of_higher_priority_takes_the_device_once_the_other_has_run_long_enough(
    tmp_path: Path,
) -> None:
    hands = Hands()
    async with daemon(tmp_path, clock=hands) as supervisor:
        victim = await started(supervisor, HEED, is_preemptible=True)
        urgent = await submit(supervisor, f"{HEED}-now", priority=1)
        await until(supervisor, urgent, JobState.QUEUED, "waits for a device")
        early = await now(supervisor, victim)

        hands.now += timedelta(seconds=60)
        supervisor.ledger.changed.set()
        await until(supervisor, urgent, JobState.QUEUED, f"waits for {HEED} to make room")
        await until(supervisor, urgent, JobState.RUNNING)
        await until(supervisor, victim, JobState.QUEUED, f"preempted by {HEED}-now; waits")
        waits = await now(supervisor, victim)
        told = [event for event in await seen(supervisor, victim) if event[0] == "running"]
        await supervisor.finish(urgent.id)
        again_ = await again(supervisor, victim, JobState.RUNNING, attempt=2)
        first, second = await attempts(supervisor, victim)
        (its,) = await attempts(supervisor, urgent)
        await supervisor.cancel(victim.id)

    assert early.state is JobState.RUNNING
    assert ("running", f"makes room for {HEED}-now") in told
    assert waits.reason == f"preempted by {HEED}-now; waits for a device: {HEED}-now runs"
    assert (waits.failures, again_.failures) == (0, 0)
    assert first.outcome is not None
    assert first.outcome.reason is OutcomeReason.PREEMPTED
    assert first.outcome.message == f"Preempted by {HEED}-now after step 10."
    assert first.devices == its.devices == second.devices
    assert first.end_time is not None
    assert its.end_time is not None
    assert first.end_time <= its.start_time <= its.end_time <= second.start_time


async def test_a_job_that_does_not_say_so_is_not_preempted_nor_one_as_important(
    supervisor: Supervisor,
) -> None:
    for facts in ({}, {"is_preemptible": True, "min_runtime_s": 0.0, "priority": 1}):
        runs = await started(supervisor, f"{HEED}-{len(facts)}", **facts)
        urgent = await submit(supervisor, "finish", priority=1)
        await until(supervisor, urgent, JobState.QUEUED, "waits for a device")

        assert not supervisor.pausing.is_leaving(await now(supervisor, runs))
        await supervisor.finish(runs.id)
        assert states_of(await watch(supervisor, urgent))[-1] == "succeeded"
        assert len(await attempts(supervisor, runs)) == 1


async def test_a_job_that_cannot_be_asked_to_make_room_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "AGAIN_S", 0.01)
    ask, asked = rundir.ask_to_pause, itertools.count(1)

    def full(run_dir: Path, **note: str) -> None:
        if next(asked) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        ask(run_dir, **note)

    monkeypatch.setattr(rundir, "ask_to_pause", full)
    async with daemon(tmp_path) as supervisor:
        victim = await started(supervisor, HEED, is_preemptible=True, min_runtime_s=0.0)
        urgent = await submit(supervisor, "finish", priority=1)

        assert states_of(await watch(supervisor, urgent))[-1] == "succeeded"
        assert next(asked) == 3
        await supervisor.cancel(victim.id)
        await watch(supervisor, victim)


async def test_a_preempted_job_says_so_also_to_the_next_daemon_and_can_be_paused(
    tmp_path: Path,
) -> None:
    async with daemon(tmp_path) as first:
        victim = await started(first, HEED, is_preemptible=True, min_runtime_s=0.0)
        urgent = await submit(first, f"{HEED}-now", priority=1)
        await until(first, urgent, JobState.RUNNING)
        await until(first, victim, JobState.QUEUED, f"preempted by {HEED}-now; waits")

    async with daemon(tmp_path) as second:
        newest = await submit(second, "finish")
        await until(second, newest, JobState.QUEUED, "waits its turn")
        reason = (await now(second, victim)).reason
        held = await pause(second, victim)
        await second.finish(urgent.id)
        await watch(second, newest)

        assert reason.startswith(f"preempted by {HEED}-now; waits for a device")
        assert (held.state, held.reason) == (JobState.PAUSED, "paused by ann")
        assert (await now(second, victim)).state is JobState.PAUSED


async def seen(supervisor: Supervisor, job: Job) -> list[tuple[str, str]]:
    """Return the states and reasons of a job so far."""
    events = await supervisor.store.events(job.id, 0, 1000)
    return [
        (event.body["state"], event.body["reason"])
        for event in events
        if event.kind is EventKind.STATE
    ]
