"""What becomes of a job whose worker was asked to make way."""

import pytest

from ftd.jobs import outcome, suspension
from ftd.jobs.model import JobState, OutcomeReason
from ftd.jobs.suspension import Suspension
from fttrain.events import Finished, Suspended
from fttrain.spec.rundir import PauseNote

S = JobState
ANN = PauseNote(asked_by="ann")
URGENT = PauseNote(preempted_by="urgent")
KEPT = Suspended(epoch=3, step=34)
DONE = Finished(best_epoch=1, best_accuracy=0.5)


def conclude(
    state: JobState = S.RUNNING,
    *,
    note: PauseNote | None = ANN,
    suspended: Suspended | None = KEPT,
    finished: Finished | None = None,
    was_ended: bool = False,
) -> Suspension | None:
    return suspension.conclude(
        state, note=note, suspended=suspended, finished=finished, was_ended=was_ended
    )


@pytest.mark.parametrize(
    ("note", "state", "reason", "how"),
    [
        (ANN, S.PAUSED, "paused by ann", OutcomeReason.PAUSED_BY_USER),
        (URGENT, S.QUEUED, "preempted by urgent", OutcomeReason.PREEMPTED),
        (None, S.QUEUED, "resumed", OutcomeReason.PAUSED_BY_USER),
    ],
    ids=["paused", "preempted", "called off"],
)
def test_a_worker_that_has_kept_a_checkpoint_leaves_its_job_where_it_was_asked(
    note: PauseNote | None, state: JobState, reason: str, how: OutcomeReason
) -> None:
    told = conclude(note=note)

    assert told is not None
    assert (told.state, told.reason, told.how.reason) == (state, reason, how)
    assert " after step 34" in told.how.message


def test_a_user_has_the_last_word() -> None:
    told = conclude(note=PauseNote(preempted_by="urgent", asked_by="ann"))

    assert told is not None
    assert told.state is S.PAUSED


def test_a_worker_that_was_ended_by_force_is_put_back_all_the_same() -> None:
    told = conclude(note=URGENT, suspended=None, was_ended=True)

    assert told is not None
    assert told.state is S.QUEUED
    assert told.how.message == (
        "Preempted by urgent; it kept no checkpoint in time and goes on from the one before."
    )


def test_a_cancel_goes_first() -> None:
    told = conclude(S.CANCELLING)

    assert told == Suspension(state=S.CANCELLED, reason="", how=outcome.CANCELLED)


def test_a_job_that_is_done_or_has_failed_meanwhile_is_not_put_back() -> None:
    assert conclude(finished=DONE) is None
    assert conclude(suspended=None) is None
    assert conclude(suspended=None, note=None, was_ended=True) is None
