"""What tests of pauses and preemptions do with a supervisor."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ftd.jobs.callers import Caller
from ftd.jobs.model import Attempt, EventKind, Job, JobState
from ftd.jobs.supervisor import Supervisor
from tests.fakes.supervising import submit, until

ANN = Caller(user="ann", is_admin=True)
HEED = "heed-what-is-asked"


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


async def started(supervisor: Supervisor, act: str, **changes: Any) -> Job:
    job = await submit(supervisor, act, **changes)
    await until(supervisor, job, JobState.RUNNING)
    return await now(supervisor, job)


async def now(supervisor: Supervisor, job: Job) -> Job:
    return await supervisor.store.get(job.id)


async def pause(supervisor: Supervisor, job: Job) -> Job:
    return await supervisor.pausing.pause(job.id, caller=ANN)


async def resume(supervisor: Supervisor, job: Job) -> Job:
    return await supervisor.pausing.resume(job.id, caller=ANN)


async def paused(supervisor: Supervisor, job: Job) -> Job:
    await pause(supervisor, job)
    await until(supervisor, job, JobState.PAUSED)
    return await now(supervisor, job)


async def again(supervisor: Supervisor, job: Job, state: JobState, attempt: int) -> Job:
    """Return a job once it stands somewhere in its so-manieth attempt."""
    async for event in supervisor.broadcast.subscribe(job.id):
        is_state = event.kind is EventKind.STATE and event.attempt == attempt
        if is_state and event.body["state"] == state:
            return await now(supervisor, job)
    pytest.fail(f"{job.name} never was {state} in attempt {attempt}")


async def attempts(supervisor: Supervisor, job: Job) -> list[Attempt]:
    return list(await supervisor.store.attempts([job.id]))
