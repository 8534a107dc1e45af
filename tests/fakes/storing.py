"""Jobs brought into a real store, and on their way there."""

from ftd.jobs.history import state_event
from ftd.jobs.model import (
    Job,
    JobRequest,
    JobState,
    Outcome,
    OutcomeReason,
)
from ftd.jobs.states import advance
from ftd.jobs.store import NO_LIMITS, Store
from ftd.jobs.store.writes import QueueLimits
from tests.fakes.jobs import NOW, at

CANCELLED = Outcome(reason=OutcomeReason.CANCELLED_BY_USER, message="cancelled")


async def submit(
    store: Store,
    asked: JobRequest,
    request_id: str = "",
    *,
    limits: QueueLimits = NO_LIMITS,
    **references: str,
) -> Job:
    job, _ = await store.submit(
        asked, request_id=request_id, now=NOW, references=references, limits=limits
    )
    return job


async def move(store: Store, job: Job, *states: JobState) -> Job:
    for state in states:
        outcome = None
        if state.is_terminal:
            outcome = Outcome(reason=OutcomeReason.COMPLETED, message="trained")
        job = advance(job, state, now=at(job.last_sequence), outcome=outcome)
        job, _ = await store.append(job, [state_event(job, now=at(job.last_sequence))])
    return job


async def end(store: Store, job: Job) -> Job:
    return await move(store, job, JobState.STARTING, JobState.RUNNING, JobState.SUCCEEDED)
