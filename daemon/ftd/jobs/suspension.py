"""What becomes of a job whose worker was asked to make way, once that is gone. Pure."""

from dataclasses import dataclass

from ftd.jobs import outcome
from ftd.jobs.model import JobState, Outcome, OutcomeReason
from fttrain.events import Finished, Suspended
from fttrain.spec.rundir import PauseNote

PAUSING = "pausing"
RESUMED = "resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """Where a job stands whose attempt was broken off as asked, and how that attempt ended."""

    state: JobState
    reason: str
    how: Outcome


def conclude(
    state: JobState,
    *,
    note: PauseNote | None,
    suspended: Suspended | None,
    finished: Finished | None,
    was_ended: bool,
) -> Suspension | None:
    """Return what becomes of a job; None where its attempt ended in another way.

    Args:
        state: where the job stood; CANCELLING where a user wanted its end, which goes first.
        note: why its worker was asked to end; None where it was not, or no longer.
        suspended: the worker's word that it has kept a checkpoint and ends.
        finished: its word that all was done: then nothing is left to go on with.
        was_ended: whether it was ended by force, and for nothing else than that.
    """
    is_suspended = suspended is not None or (note is not None and was_ended)
    if finished is not None or not is_suspended:
        return None
    if state is JobState.CANCELLING:
        return Suspension(state=JobState.CANCELLED, reason="", how=outcome.CANCELLED)
    where = _where(suspended)
    if note is not None and note.asked_by:
        how = _told(OutcomeReason.PAUSED_BY_USER, f"Paused by {note.asked_by}{where}")
        return Suspension(state=JobState.PAUSED, reason=paused_by(note.asked_by), how=how)
    if note is not None:
        reason = preempted_by(note.preempted_by)
        how = _told(OutcomeReason.PREEMPTED, f"{reason.capitalize()}{where}")
        return Suspension(state=JobState.QUEUED, reason=reason, how=how)
    how = _told(OutcomeReason.PAUSED_BY_USER, f"Paused{where}, and resumed meanwhile")
    return Suspension(state=JobState.QUEUED, reason=RESUMED, how=how)


def paused_by(user: str) -> str:
    """Return why a job is paused."""
    return f"paused by {user}"


def preempted_by(name: str) -> str:
    """Return why a job waits whose devices another one has taken."""
    return f"preempted by {name}"


def _where(suspended: Suspended | None) -> str:
    if suspended is None:
        return "; it kept no checkpoint in time and goes on from the one before"
    return f" after step {suspended.step}"


def _told(reason: OutcomeReason, message: str) -> Outcome:
    return Outcome(reason=reason, message=f"{message}.")
