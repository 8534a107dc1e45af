"""The exit codes of `ftctl`."""

from ftctl.errors import (
    BadInput,
    DaemonError,
    DaemonUnreachable,
    FtctlError,
    PermissionDenied,
    Unauthenticated,
)
from ftctl.models import JobState, Outcome, OutcomeReason

DONE = 0
JOB_FAILED = 1
BAD_INPUT = 2
NO_DAEMON = 3
REFUSED = 4
PIPE_CLOSED = 141


def of_error(error: FtctlError) -> int:
    """Return what an error ends with."""
    match error:
        case BadInput():
            return BAD_INPUT
        case DaemonUnreachable() | DaemonError():
            return NO_DAEMON
        case Unauthenticated() | PermissionDenied():
            return REFUSED
        case _:
            return JOB_FAILED


def of_job(state: JobState, outcome: Outcome | None) -> int:
    """Return what a command that followed a job to its end ends with."""
    if state is JobState.SUCCEEDED:
        return DONE
    if outcome is not None and outcome.reason is OutcomeReason.BAD_RECIPE:
        return BAD_INPUT
    return JOB_FAILED
