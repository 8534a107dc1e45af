"""What is counted: each job once, waits and starts from their beginnings, nothing of before."""

from dataclasses import replace

import pytest

from ftd.jobs.model import JobState, OutcomeReason
from ftd.metrics.histogram import Distribution, Histogram
from ftd.metrics.tally import Counts, Tally
from tests.fakes.jobs import at
from tests.fakes.metrics import (
    CANCELLED,
    SUBMIT,
    WATCH,
    FakeSources,
    Ledger,
    epoch,
    new_job,
    new_tally,
    progress,
)

Q, S, R = JobState.QUEUED, JobState.STARTING, JobState.RUNNING
C, OK, BAD, GONE = (
    JobState.CANCELLING, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED,
)  # fmt: skip


@pytest.fixture
def tally() -> Tally:
    return new_tally()


@pytest.fixture
def ledger(tally: Tally) -> Ledger:
    return Ledger(tally)


def unfinished(counts: Counts) -> dict[JobState, int]:
    return {state: count for state, count in counts.jobs.items() if count}


def waits(distribution: Distribution) -> tuple[int, float]:
    return sum(distribution.counts), distribution.sum


def test_nothing_has_happened_at_first(tally: Tally) -> None:
    counts = tally.counts()

    assert set(counts.jobs) == set(JobState)
    assert set(counts.failed) == set(OutcomeReason) - {
        OutcomeReason.COMPLETED, OutcomeReason.CANCELLED_BY_USER,
    }  # fmt: skip
    assert set(counts.retried) == {
        OutcomeReason.KILLED_BY_SIGNAL, OutcomeReason.CRASHED, OutcomeReason.STALLED,
        OutcomeReason.HOST_OUT_OF_MEMORY, OutcomeReason.OUT_OF_MEMORY, OutcomeReason.LOST,
    }  # fmt: skip
    assert not any(counts.retried.values())
    assert not any([*counts.jobs.values(), *counts.failed.values(), *counts.handled.values()])
    assert (counts.submitted, counts.finished, counts.cancelled) == (0, 0, 0)
    assert counts.handled == {(SUBMIT, "OK"): 0, (WATCH, "OK"): 0}


def test_a_failure_that_is_followed_by_another_attempt_is_counted_by_its_reason(
    tally: Tally,
) -> None:
    tally.on_retry(OutcomeReason.STALLED)
    tally.on_retry(OutcomeReason.STALLED)
    tally.on_retry(OutcomeReason.LOST)

    counted = {reason: count for reason, count in tally.counts().retried.items() if count}
    assert counted == {OutcomeReason.STALLED: 2, OutcomeReason.LOST: 1}


def test_a_job_is_counted_in_its_state_and_once_at_its_end(tally: Tally, ledger: Ledger) -> None:
    job = ledger.submit(new_job())
    assert unfinished(tally.counts()) == {Q: 1}

    job = ledger.move(job, S, R, second=1)
    assert unfinished(tally.counts()) == {R: 1}

    ledger.move(job, OK, second=2)
    counts = tally.counts()
    assert unfinished(counts) == {OK: 1}
    assert (counts.submitted, counts.finished, counts.cancelled) == (1, 1, 0)
    assert sum(counts.failed.values()) == 0


def test_failed_and_cancelled_jobs_are_counted_apart(tally: Tally, ledger: Ledger) -> None:
    ledger.move(ledger.submit(new_job(1)), S, R, BAD, second=1)
    ledger.move(ledger.submit(new_job(2)), S, R, C, GONE, second=1)
    ledger.move(ledger.submit(new_job(3)), GONE, second=1)

    counts = tally.counts()
    assert (counts.finished, counts.cancelled) == (3, 2)
    assert {reason: count for reason, count in counts.failed.items() if count} == {
        OutcomeReason.KILLED_BY_SIGNAL: 1
    }
    assert CANCELLED.reason not in counts.failed


def test_jobs_that_ended_under_an_earlier_daemon_stand_in_their_states_alone() -> None:
    counts = new_tally(ended={OK: 90_000, BAD: 10_000}).counts()

    assert unfinished(counts) == {OK: 90_000, BAD: 10_000}
    assert (counts.submitted, counts.finished) == (0, 0)


def test_a_job_of_an_earlier_daemon_is_taken_up_not_submitted(tally: Tally, ledger: Ledger) -> None:
    ledger.submit(new_job(create_time=at(-60)), second=1)

    assert tally.counts().submitted == 0
    assert unfinished(tally.counts()) == {Q: 1}


def test_the_wait_in_the_queue_begins_with_the_submission(tally: Tally, ledger: Ledger) -> None:
    ledger.move(ledger.submit(new_job()), S, second=7)
    ledger.move(ledger.submit(new_job(2, create_time=at(-60)), second=1), S, second=2)

    assert waits(tally.counts().queue_wait) == (2, 7 + 62)


def test_the_wait_begins_anew_when_a_job_comes_back_into_the_queue(
    tally: Tally, ledger: Ledger
) -> None:
    job = ledger.move(ledger.submit(new_job()), S, second=7)
    job = ledger.move(job, Q, second=8)
    ledger.move(job, S, second=11)

    assert waits(tally.counts().queue_wait) == (2, 7 + 3)


def test_a_job_that_leaves_the_queue_for_good_did_not_wait_for_a_device(
    tally: Tally, ledger: Ledger
) -> None:
    ledger.move(ledger.submit(new_job()), GONE, second=7)

    assert waits(tally.counts().queue_wait) == (0, 0)


@pytest.mark.parametrize("is_warm", [True, False])
def test_a_start_lasts_from_the_queue_to_the_first_finished_step(
    tally: Tally, ledger: Ledger, is_warm: bool
) -> None:
    job = ledger.move(ledger.submit(new_job()), S, second=5)
    tally.on_start(job.id, is_warm=is_warm)
    job = ledger.move(job, R, second=6, epochs=(epoch(0),))
    job = ledger.tell(job, second=8, progress=progress(1))
    ledger.tell(job, second=9, progress=progress(2))

    starts = tally.counts().starts
    assert waits(starts[is_warm]) == (1, 3.0)
    assert waits(starts[not is_warm]) == (0, 0)


def test_a_second_attempt_is_a_start_of_its_own(tally: Tally, ledger: Ledger) -> None:
    job = ledger.move(ledger.submit(new_job()), S, R, second=1, progress=progress(4))
    job = ledger.move(job, Q, second=10)
    job = ledger.move(job, S, R, second=20)
    ledger.tell(job, second=22, progress=progress(5))

    assert waits(tally.counts().starts[False]) == (2, 0 + 2)


def test_a_job_that_ran_before_this_daemon_has_no_start(tally: Tally, ledger: Ledger) -> None:
    job = ledger.submit(replace(new_job(create_time=at(-60)), state=R, attempt=1))
    ledger.tell(job, second=2, progress=progress(1))

    assert all(waits(each) == (0, 0) for each in tally.counts().starts.values())
    assert unfinished(tally.counts()) == {R: 1}


def test_a_start_of_a_job_that_has_ended_meanwhile_is_no_matter(tally: Tally) -> None:
    tally.on_start("unknown", is_warm=True)

    assert tally.worked([], at(0)) == ()


def test_commits_and_calls_are_counted_with_their_times(tally: Tally) -> None:
    tally.on_commit(0.002)
    tally.on_rpc(SUBMIT, "OK", 0.5)
    tally.on_rpc(SUBMIT, "NOT_FOUND", 0.25)
    tally.on_rpc(WATCH, "OK", 3600)

    counts = tally.counts()
    assert waits(counts.commits) == (1, 0.002)
    assert counts.handled == {(SUBMIT, "OK"): 1, (SUBMIT, "NOT_FOUND"): 1, (WATCH, "OK"): 1}
    assert waits(counts.handling[SUBMIT]) == (2, 0.75)
    assert waits(counts.handling[WATCH]) == (1, 3600)


def test_a_duration_falls_into_the_bucket_that_ends_with_it() -> None:
    histogram = Histogram((1.0, 2.0))
    for seconds in (0.5, 1.0, 1.5, 2.5, -3.0):
        histogram.observe(seconds)

    found = histogram.distribution()

    assert list(found.cumulative()) == [("1.0", 3), ("2.0", 4), ("+Inf", 5)]
    assert found.sum == 5.5


# --- jobs that are told of ------------------------------------------------------------------


def told(tally: Tally, sources: FakeSources, second: float) -> dict[str, float]:
    """Return the ids of the jobs with series, and when each was last heard of."""
    worked = tally.worked(sources.holders(), at(second))
    return {each.figures.job.id: (each.told - at(0)).total_seconds() for each in worked}


def test_a_job_is_told_of_while_it_holds_devices_and_until_the_grace_is_over() -> None:
    tally, sources = new_tally(grace_s=60), FakeSources()
    tally.figures = sources.figures
    ledger = Ledger(tally)
    job = ledger.submit(new_job())
    sources.hold(job)  # the schedule has decided; it is not stored yet
    assert told(tally, sources, 1) == {}

    for to, second in ((S, 1), (R, 2), (OK, 3)):
        job = ledger.move(job, to, second=second)
        sources.hold(job)
        assert told(tally, sources, second) == {job.id: second}
    sources.jobs.clear()

    assert told(tally, sources, 3 + 59.9) == {job.id: 3}
    assert told(tally, sources, 3 + 60) == {}


def test_an_ended_job_is_forgotten_when_another_ends_later() -> None:
    tally, sources = new_tally(grace_s=60), FakeSources()
    tally.figures = sources.figures
    ledger = Ledger(tally)
    for number, second in ((1, 0), (2, 100)):
        job = ledger.submit(new_job(number))
        sources.hold(job)
        ledger.move(job, S, R, OK, second=second)
        sources.jobs.clear()

    assert told(tally, sources, 10) == {new_job(2).id: 100}


def test_a_job_that_never_held_a_device_is_not_told_of() -> None:
    tally, sources = new_tally(), FakeSources()
    tally.figures = sources.figures
    ledger = Ledger(tally)

    ledger.move(ledger.submit(new_job()), GONE, second=1)

    assert told(tally, sources, 1) == {}


def test_a_worker_is_heard_of_by_progress_and_epochs_but_not_by_notices(
    tally: Tally, ledger: Ledger
) -> None:
    sources = FakeSources()
    job = ledger.move(ledger.submit(new_job()), S, R, second=1)
    sources.hold(job)

    job = ledger.tell(job, second=2, epochs=(epoch(0),))
    assert told(tally, sources, 9) == {job.id: 2}
    job = ledger.tell(job, second=3, progress=progress(1))
    assert told(tally, sources, 9) == {job.id: 3}
    ledger.tell(job, second=4, last_sequence=9)
    assert told(tally, sources, 9) == {job.id: 3}
