"""What is left behind tells how an attempt ended."""

import signal
from typing import Any

from ftd.jobs.model import JobState, OutcomeReason
from ftd.jobs.outcome import conclude
from fttrain.events import Failed, Finished
from fttrain.spec.rundir import ExitReport


def left(**changes: Any) -> ExitReport:
    facts = {
        "exit_code": 0, "signal": None, "terminated": False, "orphans": (),
        "user_s": 1.0, "system_s": 0.1, "max_rss_bytes": 1, "end_time": 0.0,
    }  # fmt: skip
    return ExitReport(**{**facts, **changes})


def ended(
    state: JobState = JobState.RUNNING,
    report: ExitReport | None = None,
    *,
    failed: Failed | None = None,
    finished: Finished | None = None,
) -> tuple[JobState, OutcomeReason, str]:
    reached, how = conclude(
        state, report=report, failed=failed, finished=finished, log_tail=["the last line"]
    )
    return reached, how.reason, how.message


DONE = Finished(best_epoch=2, best_accuracy=0.9)
FAILED = Failed(reason="non_finite_loss", message="The loss is nan.", remedy="Lower lr.", faults=[])


def test_a_finished_worker_with_code_0_has_succeeded() -> None:
    assert ended(report=left(), finished=DONE) == (
        JobState.SUCCEEDED, OutcomeReason.COMPLETED, "Trained to the end of its recipe.",
    )  # fmt: skip


def test_code_0_without_the_last_record_is_no_success() -> None:
    assert ended(report=left()) == (
        JobState.FAILED, OutcomeReason.WORKER_ERROR,
        "The worker ended with exit code 0 before all was done.",
    )  # fmt: skip


def test_the_workers_own_account_of_an_error_is_kept() -> None:
    assert ended(report=left(exit_code=1), failed=FAILED) == (
        JobState.FAILED, OutcomeReason.NON_FINITE_LOSS, "The loss is nan.",
    )  # fmt: skip


def test_a_signal_from_elsewhere_is_named_with_its_remedy() -> None:
    _, how = conclude(
        JobState.RUNNING,
        report=left(exit_code=None, signal=signal.SIGKILL),
        failed=None,
        finished=None,
        log_tail=["the last line"],
    )

    assert how.reason is OutcomeReason.KILLED_BY_SIGNAL
    assert how.message == "The worker was ended by signal 9 (SIGKILL)."
    assert how.remedy == (
        "If nobody ended it by hand, memory ran out (`dmesg` says so): "
        "use a smaller batch_size, or accumulate more batches per step."
    )
    assert how.log_tail == ("the last line",)


def test_no_account_of_the_end_means_lost() -> None:
    assert ended() == (
        JobState.FAILED,
        OutcomeReason.LOST,
        "The worker is gone and left no account of its end.",
    )


def test_what_was_told_before_the_shim_was_lost_counts() -> None:
    assert ended(finished=DONE)[:2] == (JobState.SUCCEEDED, OutcomeReason.COMPLETED)
    assert ended(failed=FAILED)[:2] == (JobState.FAILED, OutcomeReason.NON_FINITE_LOSS)


def test_a_cancelled_worker_that_the_shim_ended_is_cancelled() -> None:
    report = left(exit_code=None, signal=signal.SIGTERM, terminated=True)

    assert ended(JobState.CANCELLING, report)[:2] == (
        JobState.CANCELLED, OutcomeReason.CANCELLED_BY_USER,
    )  # fmt: skip


def test_one_that_was_asked_to_end_says_after_which_epoch_and_which_was_its_best() -> None:
    stopped = Finished(best_epoch=2, best_accuracy=0.9, stopped_after=3)

    assert ended(report=left(), finished=stopped) == (
        JobState.SUCCEEDED,
        OutcomeReason.STOPPED_BY_USER,
        "Ended after epoch 3, as its user asked; its model is that of epoch 2, its best.",
    )


def test_one_that_did_not_improve_any_more_says_after_which_epoch() -> None:
    exhausted = Finished(best_epoch=2, best_accuracy=0.9, exhausted_after=7)

    assert ended(report=left(), finished=exhausted) == (
        JobState.SUCCEEDED,
        OutcomeReason.STOPPED_EARLY,
        "Ended after epoch 7: validation did not improve any more; its model is that of epoch 2, "
        "its best.",
    )


def test_a_worker_that_ended_before_the_signal_keeps_its_end() -> None:
    assert ended(JobState.CANCELLING, left(), finished=DONE)[0] is JobState.SUCCEEDED
    assert ended(JobState.CANCELLING, left(exit_code=1), failed=FAILED)[0] is JobState.FAILED


def test_a_cancelled_worker_without_an_account_is_cancelled() -> None:
    assert ended(JobState.CANCELLING)[0] is JobState.CANCELLED


def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    report = left(exit_code=None, signal=signal.SIGRTMIN + 5)

    assert ended(report=report)[2] == (
        f"The worker was ended by signal {signal.SIGRTMIN + 5} (Real-time signal 5)."
    )


def test_a_very_long_account_is_cut() -> None:
    failed = Failed(reason="worker_error", message="x" * 10**6, remedy="", faults=[])

    assert len(ended(report=left(exit_code=1), failed=failed)[2]) == 4000
