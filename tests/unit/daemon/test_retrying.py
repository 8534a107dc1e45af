"""Which failures are followed by another attempt, and when."""

from datetime import timedelta

import pytest

from ftd.jobs import retrying
from ftd.jobs.model import Outcome, OutcomeReason
from tests.fakes.jobs import NOW, at

MENDED = {
    OutcomeReason.KILLED_BY_SIGNAL: [1, 4, 16, 64, 256, 600, 600],
    OutcomeReason.CRASHED: [1, 4, 16, 64, 256, 600, 600],
    OutcomeReason.OUT_OF_MEMORY: [1, 1, 1, 1, 1, 1, 1],
    OutcomeReason.STALLED: [5, 20, 80, 320, 600, 600, 600],
    OutcomeReason.HOST_OUT_OF_MEMORY: [5, 20, 80, 320, 600, 600, 600],
}


@pytest.mark.parametrize("reason", MENDED)
def test_each_reason_has_its_wait_which_grows_up_to_ten_minutes(reason: OutcomeReason) -> None:
    waits = [retrying.backoff_s(reason, failures=each, retries=100) for each in range(7)]

    assert waits == MENDED[reason]
    assert retrying.backoff_s(reason, failures=99, retries=100) == MENDED[reason][-1]


def test_so_many_failures_as_retries_are_followed_by_another_attempt() -> None:
    reason = OutcomeReason.CRASHED

    assert retrying.backoff_s(reason, failures=2, retries=3) is not None
    assert retrying.backoff_s(reason, failures=3, retries=3) is None
    assert retrying.backoff_s(reason, failures=0, retries=0) is None


@pytest.mark.parametrize("reason", sorted(set(OutcomeReason) - MENDED.keys()))
def test_what_would_end_the_same_way_again_is_not_tried_again(reason: OutcomeReason) -> None:
    assert retrying.backoff_s(reason, failures=0, retries=100) is None


def test_a_reason_says_until_when_and_after_what() -> None:
    killed = Outcome(reason=OutcomeReason.KILLED_BY_SIGNAL, message="", signal=9)
    stalled = Outcome(reason=OutcomeReason.STALLED, message="")

    assert retrying.backing_off(killed, at(1), failures=2, retries=3) == (
        "backing off until 03:04:06 UTC after: killed by signal 9 (retry 2 of 3)"
    )
    assert retrying.backing_off(stalled, at(5), failures=1, retries=1) == (
        "backing off until 03:04:10 UTC after: stalled (retry 1 of 1)"
    )


def test_a_clock_that_is_set_back_lets_nobody_wait_for_long() -> None:
    assert retrying.waits(at(1), NOW)
    assert retrying.waits(at(600), NOW)
    assert not retrying.waits(None, NOW)
    assert not retrying.waits(NOW, NOW)
    assert not retrying.waits(at(5), NOW - timedelta(hours=1))
