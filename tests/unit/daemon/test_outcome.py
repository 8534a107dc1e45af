"""What is left behind tells how an attempt ended."""

import signal
from typing import Any

import pytest

from ftd.jobs.model import JobState, OutcomeReason
from ftd.jobs.outcome import conclude
from fttrain.events import Failed, Finished
from fttrain.spec.rundir import DISK_FULL, ExitReport


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
    stalled: str = "",
    oom_kills: int = 0,
) -> tuple[JobState, OutcomeReason, str]:
    reached, how = conclude(
        state, report=report, failed=failed, finished=finished, log_tail=["the last line"],
        stalled=stalled, oom_kills=oom_kills,
    )  # fmt: skip
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
        "Somebody ended it: the kernel has counted no process that it ended for want of memory."
    )
    assert how.log_tail == ("the last line",)


def test_no_account_of_the_end_means_lost() -> None:
    assert ended() == (
        JobState.FAILED,
        OutcomeReason.LOST,
        "The worker is gone and left no account of its end.",
    )


KILLED = left(exit_code=None, signal=signal.SIGKILL)


def test_the_kernels_count_tells_memory_from_a_hand() -> None:
    assert ended(report=KILLED, oom_kills=0)[1] is OutcomeReason.KILLED_BY_SIGNAL
    assert ended(report=KILLED, oom_kills=1) == (
        JobState.FAILED, OutcomeReason.HOST_OUT_OF_MEMORY,
        "The machine's memory ran out, or that of its control group: the kernel ended the worker.",
    )  # fmt: skip
    # The kernel ends by SIGKILL alone: another signal at that time was somebody's.
    terminated = left(exit_code=None, signal=signal.SIGTERM)
    assert ended(report=terminated, oom_kills=1)[1] is OutcomeReason.KILLED_BY_SIGNAL


def test_a_loader_that_the_kernel_ended_is_told_as_memory() -> None:
    died = Failed(reason="killed_by_signal", message="a loader", remedy="", faults=[])

    assert ended(report=left(exit_code=1), failed=died) == (
        JobState.FAILED, OutcomeReason.KILLED_BY_SIGNAL, "a loader",
    )  # fmt: skip
    assert ended(report=left(exit_code=1), failed=died, oom_kills=1) == (
        JobState.FAILED, OutcomeReason.HOST_OUT_OF_MEMORY,
        "The machine's memory ran out, or that of its control group: the kernel ended a process "
        "that loads its images.",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"])
def test_a_crash_in_native_code_is_told_apart_from_a_kill(name: str) -> None:
    number = signal.Signals[name].value

    assert ended(report=left(exit_code=None, signal=number)) == (
        JobState.FAILED, OutcomeReason.CRASHED,
        f"The worker crashed in native code: signal {number} ({name}).",
    )  # fmt: skip


def test_a_full_disk_is_told_by_the_exit_code_alone() -> None:
    assert ended(report=left(exit_code=DISK_FULL)) == (
        JobState.FAILED, OutcomeReason.DISK_FULL,
        "There was no room on the disk of its run directory.",
    )  # fmt: skip


def test_one_that_was_ended_for_its_silence_has_stalled() -> None:
    told = "No step for 61 s while it trained (epoch 2); at most 60 s are waited for."
    by_us = left(exit_code=None, signal=signal.SIGTERM, terminated=True)

    assert ended(report=by_us, stalled=told) == (
        JobState.FAILED, OutcomeReason.STALLED, f"It stalled and was ended. {told}",
    )  # fmt: skip
    # It got on at the last moment, and to its end.
    assert ended(report=left(), stalled=told, finished=DONE)[0] is JobState.SUCCEEDED
    assert ended(JobState.CANCELLING, by_us, stalled=told)[0] is JobState.CANCELLED


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
