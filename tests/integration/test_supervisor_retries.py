"""The supervisor when attempts fail: what another start can mend is started again, later."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from ftd.jobs.model import Attempt, Event, EventKind, Job, JobState, OutcomeReason
from ftd.jobs.supervisor import Supervisor, utc_now
from fttrain.spec import rundir
from tests.fakes.supervising import daemon, states_of, submit, until, watch, worker_of


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    async with daemon(tmp_path, stall_s=1.0) as running:
        yield running


async def attempts_of(supervisor: Supervisor, job: Job) -> list[Attempt]:
    return await supervisor.store.attempts([job.id])


def reasons(events: list[Event]) -> list[str]:
    return [e.body["reason"] for e in events if e.kind is EventKind.STATE and e.body["reason"]]


def notices(events: list[Event]) -> list[str]:
    return [event.body["message"] for event in events if event.kind is EventKind.NOTICE]


async def test_a_job_that_is_killed_is_started_again_after_a_while(supervisor: Supervisor) -> None:
    job = await submit(supervisor, "die-twice", retries=2)

    events = await watch(supervisor, job)

    assert states_of(events) == [
        "queued", "starting", "running", "queued", "starting", "running", "queued", "starting",
        "running", "succeeded",
    ]  # fmt: skip
    backing_off = [each for each in reasons(events) if each.startswith("backing off")]
    patterns = [
        r"backing off until \d\d:\d\d:\d\d UTC after: killed by signal 9 \(retry 1 of 2\)",
        r"backing off until \d\d:\d\d:\d\d UTC after: killed by signal 9 \(retry 2 of 2\)",
    ]
    assert len(backing_off) == 2
    assert all(map(re.fullmatch, patterns, backing_off))
    assert notices(events) == [
        "Attempt 1 failed: The worker was ended by signal 9 (SIGKILL). `ftctl get` has its last "
        "lines.",
        "Attempt 2 failed: The worker was ended by signal 9 (SIGKILL). `ftctl get` has its last "
        "lines.",
    ]
    ended = await supervisor.store.get(job.id)
    assert (ended.attempt, ended.failures, ended.retry_time) == (3, 2, None)
    first, second, third = await attempts_of(supervisor, job)
    for each in (first, second):
        assert each.outcome is not None
        assert each.outcome.reason is OutcomeReason.KILLED_BY_SIGNAL
        assert each.outcome.log_tail == ("killed amid its work",)
        assert each.end_time is not None
    assert third.outcome is not None
    assert third.outcome.reason is OutcomeReason.COMPLETED
    assert first.end_time is not None
    assert second.end_time is not None
    assert second.start_time - first.end_time >= timedelta(seconds=0.9)
    assert third.start_time - second.end_time >= timedelta(seconds=3.9)


async def test_one_failure_more_than_retries_is_the_end(supervisor: Supervisor) -> None:
    job = await submit(supervisor, "die-twice", retries=1)

    ended = (await watch(supervisor, job))[-1].body

    assert (ended["state"], ended["outcome"]["reason"]) == ("failed", "killed_by_signal")
    assert ended["outcome"]["message"] == (
        "The worker was ended by signal 9 (SIGKILL). It had been started again once before."
    )


async def test_what_would_end_the_same_way_is_not_started_again(supervisor: Supervisor) -> None:
    job = await submit(supervisor, "raise-an-error", retries=3)

    assert states_of(await watch(supervisor, job))[-2:] == ["running", "failed"]
    assert (await supervisor.store.get(job.id)).attempt == 1


async def test_another_job_has_the_device_while_one_backs_off(supervisor: Supervisor) -> None:
    job = await submit(supervisor, "die-twice", retries=2, priority=9)
    await until(supervisor, job, JobState.QUEUED, "backing off until")
    other = await submit(supervisor, "wait", priority=-9)
    await until(supervisor, other, JobState.RUNNING)

    assert (await supervisor.store.get(job.id)).state is JobState.QUEUED
    await supervisor.cancel(other.id)
    await supervisor.cancel(job.id)
    assert states_of(await watch(supervisor, job))[-2:] == ["queued", "cancelled"]


async def test_a_wait_after_a_failure_outlives_the_daemon(tmp_path: Path) -> None:
    async with daemon(tmp_path) as first:
        job = await submit(first, "die-twice", retries=2)
        await until(first, job, JobState.QUEUED, "backing off until")
        was = await first.store.get(job.id)

    async with daemon(tmp_path) as second:
        now = await second.store.get(job.id)
        assert (now.reason, now.retry_time, now.failures) == (was.reason, was.retry_time, 1)
        assert states_of(await watch(second, job))[-1] == "succeeded"


async def test_a_clock_that_is_set_back_does_not_keep_a_job_waiting(tmp_path: Path) -> None:
    async with daemon(tmp_path) as first:
        job = await submit(first, "die-twice", retries=2)
        await until(first, job, JobState.QUEUED, "backing off until")

    async with daemon(tmp_path, clock=lambda: utc_now() - timedelta(hours=3)) as second:
        assert states_of(await watch(second, job))[-1] == "succeeded"


async def test_a_worker_that_makes_no_step_is_ended_with_its_stacks_and_started_again(
    supervisor: Supervisor,
) -> None:
    job = await submit(supervisor, "stall-and-finish", retries=1)

    events = await watch(supervisor, job)

    assert states_of(events) == [
        "queued", "starting", "running", "queued", "starting", "running", "succeeded",
    ]  # fmt: skip
    assert any(
        re.fullmatch(r"backing off until \S+ UTC after: stalled \(retry 1 of 1\)", each)
        for each in reasons(events)
    )
    first = (await attempts_of(supervisor, job))[0].outcome
    assert first is not None
    assert first.reason is OutcomeReason.STALLED
    assert re.fullmatch(
        r"It stalled and was ended\. No step for [1-3] s while it trained \(epoch 1\); a usual "
        r"step takes \S+ s, and at most 1 s are waited for\.",
        first.message,
    )
    assert first.remedy == (
        "The log has the stacks of all its threads: they tell what it waited for, such as a "
        "network disk or a device that hangs."
    )
    assert "in sleep_for_ever" in "\n".join(first.log_tail)
    log = log_of((await attempts_of(supervisor, job))[0])
    assert log.count("hread 0x") == 2


async def test_a_stopped_worker_that_ignores_all_signals_is_ended(supervisor: Supervisor) -> None:
    job = await submit(supervisor, "stall-unheard")
    await until(supervisor, job, JobState.RUNNING)
    worker = worker_of(await supervisor.store.get(job.id))

    ended = (await watch(supervisor, job))[-1].body

    assert (ended["state"], ended["outcome"]["reason"]) == ("failed", "stalled")
    assert not psutil.pid_exists(worker.pid)


async def test_a_job_that_is_cancelled_while_it_stalls_is_cancelled(
    supervisor: Supervisor,
) -> None:
    job = await submit(supervisor, "stall-and-finish", retries=1)
    await until(supervisor, job, JobState.RUNNING)

    await supervisor.cancel(job.id)

    assert states_of(await watch(supervisor, job))[-1] == "cancelled"


def log_of(attempt: Attempt) -> str:
    return (Path(attempt.run_dir) / rundir.LOG).read_text()
