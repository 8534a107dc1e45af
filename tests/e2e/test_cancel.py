"""Cancelling ends a job at whatever moment it is, and leaves what it had made."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open

from ftctl import AsyncJobHandle, JobState, ProgressMade, StateChanged
from fttrain import events as journal
from fttrain.spec import rundir
from tests.e2e.recipes import endless, small
from tests.e2e.serving import Serving, family, freeze_when
from tests.wait import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRACE_S = 2.0


async def running(daemon: Serving, photos: Path) -> AsyncJobHandle:
    """Submit an endless job; return when its first step is finished."""
    handle = await daemon.client.submit(endless(photos))
    async for event in handle.watch():
        if isinstance(event, ProgressMade):
            return handle
    pytest.fail("the job ended")


def in_phase(name: str) -> Callable[[journal.Record], bool]:
    """Return whether a worker is in this phase, with an epoch and its checkpoint behind it."""

    def holds(last: journal.Record) -> bool:
        return isinstance(last, journal.PhaseChanged) and last.phase == name and last.epoch >= 2

    return holds


def mid_step(last: journal.Record) -> bool:
    return isinstance(last, journal.Steps) and last.epoch >= 2


@pytest.mark.parametrize(
    "moment",
    [mid_step, in_phase("evaluating"), in_phase("checkpointing")],
    ids=["mid-step", "evaluation", "checkpoint-write"],
)
async def test_cancel_at_a_moment_of_the_run(
    daemon: Serving, photos: Path, moment: Callable[[journal.Record], bool]
) -> None:
    handle = await running(daemon, photos)
    job = await handle.get()
    everyone = family(job)
    worker = await freeze_when(job, moment)

    began = time.monotonic()
    await handle.cancel()
    worker.resume()
    ended = await handle.wait()

    assert time.monotonic() - began < GRACE_S + 10
    assert ended.state is JobState.CANCELLED
    # The shim, whose end this is, stays a zombie until the zygote has come to it.
    await wait_until(lambda: not any(process.is_running() for process in everyone))
    _last_checkpoint_is_good(Path(ended.run_dir), len(ended.epochs))
    await _next_job_runs(daemon, photos)


async def test_cancel_never_waits_for_a_worker_that_does_not_react(
    daemon: Serving, photos: Path
) -> None:
    handle = await running(daemon, photos)
    everyone = family(await handle.get())
    await freeze_when(await handle.get(), mid_step)  # stopped: SIGTERM cannot reach it

    began = time.monotonic()
    await handle.cancel()
    ended = await handle.wait()

    assert time.monotonic() - began < GRACE_S + 10
    assert ended.state is JobState.CANCELLED
    await wait_until(lambda: not any(process.is_running() for process in everyone))
    await _next_job_runs(daemon, photos)


async def test_cancel_while_starting(daemon: Serving, photos: Path) -> None:
    handle = await daemon.client.submit(endless(photos))
    async for event in handle.watch():
        if isinstance(event, StateChanged) and event.state is JobState.STARTING:
            break

    await handle.cancel()

    assert (await handle.wait()).state is JobState.CANCELLED
    await _next_job_runs(daemon, photos)


async def test_cancel_while_planning_and_while_queued(daemon: Serving, photos: Path) -> None:
    blocker = await running(daemon, photos)
    planning = await daemon.client.submit(small(photos))
    queued = await daemon.client.submit(small(photos))
    async for event in queued.watch():
        if isinstance(event, StateChanged) and event.reason == "waits its turn":
            break

    assert (await planning.cancel()).state is JobState.CANCELLED
    assert (await queued.cancel()).state is JobState.CANCELLED
    await blocker.cancel()
    assert (await blocker.wait()).state is JobState.CANCELLED
    assert (await queued.get()).attempt == 0


async def test_a_cancelled_job_keeps_its_history(daemon: Serving, photos: Path) -> None:
    handle = await running(daemon, photos)
    job = await handle.get()
    await freeze_when(job, in_phase("evaluating"))

    await handle.cancel()
    ended = await handle.wait()
    events = [event async for event in handle.watch()]

    assert len(ended.epochs) >= 1
    assert ended.outcome is not None
    assert ended.outcome.message == "The job was cancelled by its user."
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))


def _last_checkpoint_is_good(run_dir: Path, epochs: int) -> None:
    with safe_open(run_dir / rundir.LAST, framework="pt") as file:
        assert len(file.keys()) > 0
    with safe_open(run_dir / rundir.BEST, framework="pt") as file:
        assert len(file.keys()) > 0
    assert epochs >= 1


async def _next_job_runs(daemon: Serving, photos: Path) -> None:
    following = await daemon.client.submit(small(photos, epochs=1))
    (await following.wait()).check()
