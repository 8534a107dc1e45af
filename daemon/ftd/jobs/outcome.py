"""How an attempt ended, told from what it left behind. A pure function."""

import signal as signals
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from ftd.jobs.model import JobState, Outcome, OutcomeReason
from ftd.jobs.retrying import LOST_TRIES
from fttrain.events import Failed, Finished
from fttrain.spec.faults import Fault
from fttrain.spec.rundir import DISK_FULL, ExitReport

_MOST_TEXT = 4000
"""An error's text can hold a whole tensor; a reply with the job must fit a message."""
_LOST = "The worker is gone and left no account of its end"
CRASHES = frozenset(
    {signals.SIGSEGV, signals.SIGBUS, signals.SIGILL, signals.SIGFPE, signals.SIGABRT}
)
"""Signals that a process raises itself where its native code fails."""
CANCELLED = Outcome(
    reason=OutcomeReason.CANCELLED_BY_USER, message="The job was cancelled by its user."
)


def conclude(
    state: JobState,
    *,
    report: ExitReport | None,
    failed: Failed | None,
    finished: Finished | None,
    timeout_s: float | None = None,
    stalled: str = "",
    oom_kills: int = 0,
    log_tail: Sequence[str],
) -> tuple[JobState, Outcome]:
    """Return the terminal state and the outcome of an attempt whose processes are gone.

    Args:
        state: where the job stood; CANCELLING where a user wanted its end.
        report: the shim's account; None where it left none.
        failed: the worker's own account of an error.
        finished: the worker's word that all was done.
        timeout_s: what it was given, where it was ended for running longer.
        stalled: what was said of its silence, where it was ended for that.
        oom_kills: how many of its processes the kernel has ended for want of memory.
        log_tail: the last lines of the log.
    """
    was_ended = report is None or report.terminated
    if state is JobState.CANCELLING and was_ended:
        return JobState.CANCELLED, CANCELLED
    tail = tuple(log_tail)
    if timeout_s is not None and was_ended:
        return JobState.FAILED, Outcome(
            reason=OutcomeReason.TIMED_OUT,
            message=f"It ran for longer than its timeout, {timedelta(seconds=timeout_s)}.",
            remedy="Its last checkpoint is kept. Give it more time (`timeout`) or fewer epochs.",
            log_tail=tail,
        )
    if stalled and was_ended and finished is None:
        return JobState.FAILED, _stalled(stalled, tail)
    # Its shim may have died with all done and told: then nothing is to be done again.
    if finished is not None and (report is None or report.exit_code == 0):
        return JobState.SUCCEEDED, _done(finished)
    if failed is not None:
        return JobState.FAILED, _failed(failed, report, tail, oom_kills)
    if report is None:
        return JobState.FAILED, _lost(tail)
    return JobState.FAILED, _died(report, tail, oom_kills)


def lost_for_good(how: Outcome) -> Outcome:
    """Return the outcome of a job that gets no other attempt after one that was lost."""
    often = f"{LOST_TRIES} times in a row without an epoch or a checkpoint"
    return replace(how, message=f"{_LOST}, {often}.")


def bad_recipe(faults: Sequence[Fault]) -> Outcome:
    """Return the outcome of a job whose plan found faults."""
    count = len(faults)
    return Outcome(
        reason=OutcomeReason.BAD_RECIPE,
        message=f"The plan found {count} fault{'s' if count != 1 else ''} in the recipe.",
        remedy="Mend the job file and submit it again.",
        faults=tuple(faults),
    )


def dependency_failed(name: str, state: JobState) -> Outcome:
    """Return the outcome of a job that waited for one that did not succeed."""
    return Outcome(
        reason=OutcomeReason.DEPENDENCY_FAILED,
        message=f"{name}, which it waited for, ended {state.value.upper()}.",
        remedy=f"See `ftctl get {name}`; submit both again.",
    )


def start_failed(why: str) -> Outcome:
    """Return the outcome of a job whose worker could not be started."""
    return Outcome(
        reason=OutcomeReason.START_FAILED,
        message=f"The worker could not be started: {why}.",
        remedy="The daemon's log and zygote.log in its state directory say more.",
    )


def _done(finished: Finished) -> Outcome:
    reason, message = OutcomeReason.COMPLETED, "Trained to the end of its recipe."
    chosen = f"its model is that of epoch {finished.best_epoch}, its best."
    if finished.stopped_after is not None:
        reason = OutcomeReason.STOPPED_BY_USER
        message = f"Ended after epoch {finished.stopped_after}, as its user asked; {chosen}"
    elif finished.exhausted_after is not None:
        reason = OutcomeReason.STOPPED_EARLY
        message = (
            f"Ended after epoch {finished.exhausted_after}: validation did not improve any more; "
            f"{chosen}"
        )
    return Outcome(reason=reason, message=message, exit_code=0, spread=finished.spread)


def _lost(tail: tuple[str, ...]) -> Outcome:
    return Outcome(
        reason=OutcomeReason.LOST,
        message=f"{_LOST}.",
        remedy=(
            "If the machine restarts or somebody ends its shim each time, find out why; "
            "then submit the job again."
        ),
        log_tail=tail,
    )


def _stalled(told: str, tail: tuple[str, ...]) -> Outcome:
    return Outcome(
        reason=OutcomeReason.STALLED,
        message=f"It stalled and was ended. {told}",
        remedy=(
            "The log has the stacks of all its threads: they tell what it waited for, such as a "
            "network disk or a device that hangs."
        ),
        log_tail=tail,
    )


def _failed(
    failed: Failed, report: ExitReport | None, tail: tuple[str, ...], oom_kills: int
) -> Outcome:
    if failed.reason == "killed_by_signal" and oom_kills:
        return _out_of_memory("a process that loads its images", tail, signals.SIGKILL)
    return Outcome(
        reason=OutcomeReason(failed.reason),
        message=_cut(failed.message),
        remedy=_cut(failed.remedy),
        exit_code=report.exit_code if report is not None else None,
        signal=report.signal if report is not None else None,
        log_tail=tail,
        faults=tuple(Fault(**fault) for fault in failed.faults),
    )


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 3]}..."


def _out_of_memory(what: str, tail: tuple[str, ...], number: int) -> Outcome:
    return Outcome(
        reason=OutcomeReason.HOST_OUT_OF_MEMORY,
        message=f"The machine's memory ran out, or that of its control group: the kernel ended "
        f"{what}.",
        remedy="Lower train.batch_size or data.workers, or give the machine more memory.",
        signal=number,
        log_tail=tail,
    )


def _crashed(number: int, tail: tuple[str, ...]) -> Outcome:
    return Outcome(
        reason=OutcomeReason.CRASHED,
        message=f"The worker crashed in native code: signal {number} ({_signal_name(number)}).",
        remedy="The log has the stacks of all its threads: `ftctl logs` shows it whole.",
        signal=number,
        log_tail=tail,
    )


def _died(report: ExitReport, tail: tuple[str, ...], oom_kills: int) -> Outcome:
    if report.signal == signals.SIGKILL and oom_kills:
        return _out_of_memory("the worker", tail, report.signal)
    if report.signal in CRASHES:
        return _crashed(report.signal, tail)
    if report.exit_code == DISK_FULL:
        return Outcome(
            reason=OutcomeReason.DISK_FULL,
            message="There was no room on the disk of its run directory.",
            remedy="Make room: `ftctl delete` ended jobs, or remove other files.",
            exit_code=report.exit_code,
            log_tail=tail,
        )
    if report.signal is not None:
        name = _signal_name(report.signal)
        return Outcome(
            reason=OutcomeReason.KILLED_BY_SIGNAL,
            message=f"The worker was ended by signal {report.signal} ({name}).",
            remedy=_signal_remedy(report.signal),
            signal=report.signal,
            log_tail=tail,
        )
    return Outcome(
        reason=OutcomeReason.WORKER_ERROR,
        message=f"The worker ended with exit code {report.exit_code} before all was done.",
        remedy="The log says more: `ftctl logs` shows it whole.",
        exit_code=report.exit_code,
        log_tail=tail,
    )


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:  # of the real-time signals only the first and the last have one
        return signals.strsignal(number) or "unknown"


def _signal_remedy(number: int) -> str:
    if number == signals.SIGKILL:
        return (
            "Somebody ended it: the kernel has counted no process that it ended for want of memory."
        )
    return "The log may say more: `ftctl logs` shows it whole."
