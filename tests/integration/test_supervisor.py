"""The supervisor with its real store, zygote, shims and signals; only the workers are fakes."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from ftd.errors import InvalidJob
from ftd.jobs.model import EventKind, JobState, OutcomeReason
from ftd.jobs.supervisor import Supervisor
from fttrain.spec import rundir
from tests.fakes.supervising import daemon, planners, states_of, submit, until, watch, worker_of
from tests.wait import wait_until


async def test_a_job_runs_to_its_end_through_every_state(supervisor: Supervisor) -> None:
    job = await submit(supervisor, "finish")

    events = await watch(supervisor, job)

    assert states_of(events) == ["queued", "starting", "running", "succeeded"]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert sum(event.kind is EventKind.PLANNED for event in events) == 1
    assert events[-1].body["outcome"]["reason"] == "completed"
    ended = await supervisor.store.get(job.id)
    assert ended.attempt == 1
    assert (Path(ended.run_dir) / rundir.EXIT).exists()


async def test_jobs_start_by_priority_and_say_why_they_wait(supervisor: Supervisor) -> None:
    first = await submit(supervisor, "wait")
    await until(supervisor, first, JobState.RUNNING)
    low = await submit(supervisor, "finish-low")
    await until(supervisor, low, JobState.QUEUED, "waits for a device: wait runs")
    high = await submit(supervisor, "finish-high", priority=5)
    await until(supervisor, high, JobState.QUEUED, "waits for a device: wait runs")

    await supervisor.cancel(first.id)
    await watch(supervisor, low)
    await watch(supervisor, high)

    started = [(await supervisor.store.get(job.id)).start_time for job in (high, low)]
    assert started == sorted(started, key=str)


async def test_a_dependant_waits_for_success_and_names_what_it_waits_for(
    supervisor: Supervisor,
) -> None:
    blocker = await submit(supervisor, "wait-first")
    await until(supervisor, blocker, JobState.RUNNING)
    pretrain = await submit(supervisor, "finish-pretrain")
    adapt = await submit(supervisor, "finish-adapt", after=("finish-pretrain",))
    await until(supervisor, adapt, JobState.QUEUED, "waits for finish-pretrain")

    await supervisor.cancel(blocker.id)
    await watch(supervisor, pretrain)
    events = await watch(supervisor, adapt)

    assert states_of(events)[-1] == "succeeded"


async def test_a_failed_job_fails_those_that_wait_for_it_with_the_reason(
    supervisor: Supervisor,
) -> None:
    blocker = await submit(supervisor, "wait")
    await until(supervisor, blocker, JobState.RUNNING)
    await submit(supervisor, "die-of-segv")
    child = await submit(supervisor, "finish-child", after=("die-of-segv",))
    grandchild = await submit(supervisor, "finish-grandchild", after=("finish-child",))
    await supervisor.cancel(blocker.id)

    ended = (await watch(supervisor, grandchild))[-1].body["outcome"]

    assert ended["reason"] == "dependency_failed"
    assert ended["message"] == "finish-child, which it waited for, ended FAILED."
    outcome = (await supervisor.store.get(child.id)).outcome
    assert outcome is not None
    assert outcome.message == "die-of-segv, which it waited for, ended FAILED."


@pytest.mark.parametrize(
    ("act", "reason", "message"),
    [
        (
            "die-of-segv",
            "crashed",
            "The worker crashed in native code: signal 11 (SIGSEGV).",
        ),
        (
            "raise-an-error",
            "worker_error",
            "The worker ended with exit code 1 before all was done.",
        ),
    ],
)
async def test_a_failure_is_typed_and_brings_the_end_of_the_log(
    supervisor: Supervisor, act: str, reason: str, message: str
) -> None:
    job = await submit(supervisor, act)

    ended = (await watch(supervisor, job))[-1].body

    assert ended["state"] == "failed"
    assert (ended["outcome"]["reason"], ended["outcome"]["message"]) == (reason, message)
    assert ended["outcome"]["log_tail"]
    assert ended["outcome"]["remedy"]


async def test_orphans_are_ended_and_named_in_a_notice(supervisor: Supervisor) -> None:
    job = await submit(supervisor, "leave-orphans-and-exit")

    events = await watch(supervisor, job)

    notices = [event.body["message"] for event in events if event.kind is EventKind.NOTICE]
    assert len(notices) == 1
    assert notices[0].startswith("Processes that outlived the worker were ended: ")
    assert states_of(events)[-1] == "succeeded"


async def test_cancel_while_queued_ends_at_once(supervisor: Supervisor) -> None:
    blocker = await submit(supervisor, "wait")
    await until(supervisor, blocker, JobState.RUNNING)
    job = await submit(supervisor, "finish")
    await until(supervisor, job, JobState.QUEUED, "waits for a device")

    cancelled = await supervisor.cancel(job.name)

    assert cancelled.state is JobState.CANCELLED
    assert cancelled.outcome is not None
    assert cancelled.outcome.reason is OutcomeReason.CANCELLED_BY_USER
    await supervisor.cancel(blocker.id)
    await watch(supervisor, blocker)


async def test_cancel_while_planning_ends_the_planner(supervisor: Supervisor) -> None:
    job = await submit(supervisor, "finish", net="hang")
    await wait_until(lambda: bool(planners(supervisor)))
    planner = planners(supervisor)[0]

    cancelled = await supervisor.cancel(job.id)

    assert cancelled.state is JobState.CANCELLED
    await wait_until(lambda: not planner.is_running())
    assert psutil.Process(supervisor.zygote_pid).is_running()


async def test_cancel_while_starting_ends_the_worker(supervisor: Supervisor) -> None:
    job = await submit(supervisor, "wait")
    await until(supervisor, job, JobState.STARTING)

    await supervisor.cancel(job.id)
    events = await watch(supervisor, job)

    assert states_of(events)[-2:] == ["cancelling", "cancelled"]


@pytest.mark.parametrize("act", ["wait", "ignore-sigterm", "leave-orphans"])
async def test_cancel_while_running_leaves_no_process_and_the_next_job_starts(
    supervisor: Supervisor, act: str
) -> None:
    job = await submit(supervisor, act)
    await until(supervisor, job, JobState.RUNNING)
    job = await supervisor.store.get(job.id)
    worker = worker_of(job)
    family = [worker, *worker.parent().children(recursive=True)]  # type: ignore[union-attr]

    await supervisor.cancel(job.id)
    events = await watch(supervisor, job)

    assert states_of(events)[-2:] == ["cancelling", "cancelled"]
    assert not any(process.is_running() for process in family)
    following = await submit(supervisor, "finish")
    assert states_of(await watch(supervisor, following))[-1] == "succeeded"


async def test_cancel_twice_and_after_the_end_changes_nothing(supervisor: Supervisor) -> None:
    job = await submit(supervisor, "wait")
    await until(supervisor, job, JobState.RUNNING)

    await supervisor.cancel(job.id)
    await supervisor.cancel(job.id)
    events = await watch(supervisor, job)
    again = await supervisor.cancel(job.id)

    assert again.state is JobState.CANCELLED
    assert again.last_sequence == len(events)


async def test_a_worker_goes_on_without_its_daemon_and_the_next_one_takes_it_up(
    tmp_path: Path,
) -> None:
    async with daemon(tmp_path) as first:
        running = await submit(first, "wait")
        queued = await submit(first, "finish")
        await until(first, running, JobState.RUNNING)
        worker = worker_of(await first.store.get(running.id))
    assert worker.is_running()

    async with daemon(tmp_path) as second:
        assert (await second.store.get(running.id)).state is JobState.RUNNING
        await second.cancel(running.id)
        assert states_of(await watch(second, running))[-1] == "cancelled"
        assert states_of(await watch(second, queued))[-1] == "succeeded"


async def test_what_ended_while_no_daemon_was_there_is_told_by_the_next(tmp_path: Path) -> None:
    async with daemon(tmp_path) as first:
        job = await submit(first, "wait")
        await until(first, job, JobState.RUNNING)
        shim = rundir.read_shim(Path((await first.store.get(job.id)).run_dir))
        worker = worker_of(await first.store.get(job.id))
    assert shim is not None
    worker.send_signal(signal.SIGKILL)
    await wait_until(lambda: not shim.is_alive)

    async with daemon(tmp_path) as second:
        ended = (await watch(second, job))[-1].body

    assert ended["outcome"]["message"] == "The worker was ended by signal 9 (SIGKILL)."


async def test_a_zygote_that_dies_is_started_again_and_jobs_go_on(supervisor: Supervisor) -> None:
    running = await submit(supervisor, "wait")
    await until(supervisor, running, JobState.RUNNING)

    os.kill(supervisor.zygote_pid, signal.SIGKILL)
    await supervisor.cancel(running.id)
    following = await submit(supervisor, "finish")

    assert states_of(await watch(supervisor, running))[-1] == "cancelled"
    assert states_of(await watch(supervisor, following))[-1] == "succeeded"


async def test_a_reference_to_a_job_that_has_no_model_is_a_fault_of_the_recipe(
    supervisor: Supervisor,
) -> None:
    first = await submit(supervisor, "finish-first", net="hang")
    second = await submit(supervisor, "finish-second", weights="job:finish-first/best")
    await until(supervisor, second, JobState.QUEUED, "plan waits for finish-first")
    await supervisor.cancel(first.id)

    ended = (await watch(supervisor, second))[-1].body["outcome"]

    assert ended["reason"] == "bad_recipe"
    assert ended["faults"] == [
        {
            "field": "model.weights",
            "description": "finish-first ended CANCELLED before it had a checkpoint",
        }
    ]


async def test_a_malformed_reference_is_refused_at_submission(supervisor: Supervisor) -> None:
    with pytest.raises(InvalidJob) as refused:
        await submit(supervisor, "finish", weights="job:pretrain")

    assert refused.value.faults[0].description == (
        "`job:pretrain` is not of the form job:NAME/best or job:NAME/last"
    )


async def test_a_zygote_that_cannot_start_fails_the_job_and_names_its_log(tmp_path: Path) -> None:
    async with daemon(tmp_path, command=(sys.executable, "-c", "raise SystemExit(3)")) as broken:
        job = await submit(broken, "finish")

        ended = (await watch(broken, job))[-1].body["outcome"]

    assert ended["reason"] == "start_failed"
    assert ended["message"] == (
        "The worker could not be started: the zygote does not come up; "
        f"see {tmp_path / 'zygote.log'}."
    )
