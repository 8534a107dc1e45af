"""The transition table: every pair of states is tried."""

from dataclasses import replace
from itertools import product

import pytest

from ftd.jobs.model import TERMINAL, Job, JobState, Outcome, OutcomeReason
from ftd.jobs.states import TRANSITIONS, IllegalTransition, advance
from tests.fakes.jobs import NOW, at, request

S = JobState
# Written out once more on purpose: DESIGN's section 5 and ADR 11, not the code's table.
ALLOWED = {
    (S.QUEUED, S.STARTING), (S.QUEUED, S.PAUSED), (S.QUEUED, S.FAILED), (S.QUEUED, S.CANCELLED),
    (S.STARTING, S.RUNNING), (S.STARTING, S.QUEUED), (S.STARTING, S.FAILED),
    (S.STARTING, S.PAUSED), (S.STARTING, S.CANCELLING),
    (S.RUNNING, S.SUCCEEDED), (S.RUNNING, S.FAILED), (S.RUNNING, S.QUEUED),
    (S.RUNNING, S.PAUSED), (S.RUNNING, S.CANCELLING),
    (S.PAUSED, S.QUEUED), (S.PAUSED, S.CANCELLED),
    (S.CANCELLING, S.CANCELLED), (S.CANCELLING, S.SUCCEEDED), (S.CANCELLING, S.FAILED),
}  # fmt: skip
OUTCOME = Outcome(reason=OutcomeReason.COMPLETED, message="trained")


def job_in(state: JobState) -> Job:
    return Job(
        id="0" * 32, number=1, request=request("a"), after_ids=(), references={}, state=state,
        create_time=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(("before", "after"), list(product(JobState, JobState)))
def test_every_pair_of_states_is_a_way_or_is_refused(before: JobState, after: JobState) -> None:
    outcome = OUTCOME if after.is_terminal else None

    if (before, after) in ALLOWED:
        assert advance(job_in(before), after, now=NOW, outcome=outcome).state is after
    else:
        with pytest.raises(IllegalTransition, match=f"{before} -> {after}"):
            advance(job_in(before), after, now=NOW, outcome=outcome)


def test_no_way_leads_out_of_a_terminal_state() -> None:
    assert {state for state in JobState if not TRANSITIONS[state]} == TERMINAL


@pytest.mark.parametrize(("before", "after"), sorted(ALLOWED))
def test_an_outcome_is_present_exactly_in_a_terminal_state(
    before: JobState, after: JobState
) -> None:
    wrong = None if after.is_terminal else OUTCOME

    with pytest.raises(IllegalTransition, match="with outcome"):
        advance(job_in(before), after, now=NOW, outcome=wrong)


def test_a_job_keeps_the_time_of_its_first_start() -> None:
    first = advance(job_in(S.QUEUED), S.STARTING, now=at(1))
    again = advance(advance(first, S.QUEUED, now=at(2)), S.STARTING, now=at(3))

    assert again.start_time == at(1)


def test_the_end_time_comes_with_the_terminal_state() -> None:
    running = replace(job_in(S.RUNNING), start_time=at(1))

    assert advance(running, S.CANCELLING, now=at(2)).end_time is None
    assert advance(running, S.SUCCEEDED, now=at(3), outcome=OUTCOME).end_time == at(3)


def test_the_reason_goes_with_the_state_that_had_it() -> None:
    waiting = replace(job_in(S.QUEUED), reason="waits for pretrain")

    assert advance(waiting, S.STARTING, now=NOW).reason == ""
