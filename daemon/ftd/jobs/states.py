"""The one place that changes a job's state."""

from dataclasses import replace
from datetime import datetime

from ftd.jobs.model import Job, JobState, Outcome

_S = JobState
TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    _S.QUEUED: frozenset({_S.STARTING, _S.PAUSED, _S.FAILED, _S.CANCELLED}),
    _S.STARTING: frozenset({_S.RUNNING, _S.QUEUED, _S.PAUSED, _S.FAILED, _S.CANCELLING}),
    _S.RUNNING: frozenset({_S.SUCCEEDED, _S.FAILED, _S.QUEUED, _S.PAUSED, _S.CANCELLING}),
    _S.PAUSED: frozenset({_S.QUEUED, _S.CANCELLED}),
    # Succeeded and failed only where the worker ended before the signal reached it.
    _S.CANCELLING: frozenset({_S.CANCELLED, _S.SUCCEEDED, _S.FAILED}),
    _S.SUCCEEDED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
}


class IllegalTransition(Exception):
    """A change of state that the table does not have: a bug of ours."""


def advance(
    job: Job, to: JobState, *, now: datetime, reason: str = "", outcome: Outcome | None = None
) -> Job:
    """Return the job in its next state.

    Raises:
        IllegalTransition: where the table has no such way, or the outcome does not go with it.
    """
    if to not in TRANSITIONS[job.state]:
        raise IllegalTransition(f"{job.id}: {job.state} -> {to}")
    if to.is_terminal != (outcome is not None):
        raise IllegalTransition(f"{job.id}: {to} with outcome {outcome}")
    return replace(
        job,
        state=to,
        reason=reason,
        outcome=outcome,
        retry_time=job.retry_time if to is JobState.QUEUED else None,
        start_time=now if to is JobState.STARTING and job.start_time is None else job.start_time,
        end_time=now if to.is_terminal else None,
    )


def way(start: JobState, to: JobState) -> list[JobState]:
    """Return the states through which a job comes from one to another, by the fewest steps.

    Raises:
        IllegalTransition: where no way leads there.
    """
    ways: dict[JobState, list[JobState]] = {start: []}
    ahead = [start]
    while ahead and to not in ways:
        state = ahead.pop(0)
        for following in sorted(TRANSITIONS[state] - set(ways)):
            ways[following] = [*ways[state], following]
            ahead.append(following)
    if to not in ways:
        raise IllegalTransition(f"no way from {start} to {to}")
    return ways[to]
