"""Write docs/errors.md: every error, what it means, what to do, and how programs tell it.

Run as `python -m tests.house.failures`; with `--check` it only says whether the page is fresh.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from grpc import StatusCode

import ftctl.errors
import ftd.errors
from finetuned.v1 import job_pb2
from ftctl.cli import EPILOG, codes
from ftctl.models import JobState, Outcome, OutcomeReason
from ftd.rpc.errors import CODES
from tests.house.remedies import CLIENT, DAEMON, OUTCOMES, REASONS, Advice

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "errors.md"
PREFIX = "OUTCOME_REASON_"
Class = TypeVar("Class")
HEAD = """\
# Errors: what they mean and what to do

Generated from `tests/house/remedies.py` and the code itself by `make fmt`; do not edit.

Every message says what happened, to what, and what to do next; this page says the rest.
`ftctl` prints the message to stderr and exits with a code of this table.
Scripts should look at that code, programs at the exception or the reason, and none at the text.

| exit code | what happened |
|---|---|
"""
API = """\
## What the daemon answers

Every error of the API carries `google.rpc.ErrorInfo` with the domain `finetuned` and one of these
reasons; `INVALID_JOB` and `INVALID_DATASET` carry `google.rpc.BadRequest` with every fault, too.
The SDK raises the exception that stands with the reason, from `ftctl`.
"""
ENDS = """\
## How jobs end

The outcome of a job has one of these reasons: `outcome.reason` in `ftctl get JOB -o json`, \
`job.outcome.reason` in the SDK.
`job.check()` raises `JobFailed` unless the job succeeded.
The exit code is that of `ftctl submit --watch` and `ftctl watch`.
"""
OWN = """\
## What the client says of itself

These exceptions stand for no single reason of the daemon.
"""
STARTS = """\
## What `ftd` says when it does not start

`ftd` prints the message to stderr and exits with 2.
"""


def main(arguments: list[str]) -> int:
    """Write the page, or check it; return 1 where it is stale."""
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        print("docs/errors.md is stale: make fmt", file=sys.stderr)
        return 1
    else:
        print("docs/errors.md: fresh")
    return 0


def page() -> str:
    """Return the page as Markdown."""
    ends = {name.lower(): advice for name, advice in OUTCOMES.items()}
    parts = [HEAD + "\n".join(_exit_codes()), API, *_answers()]
    parts += [ENDS, _table(ends, _signs_of_outcome), OWN, _table(CLIENT, _signs_of_exception)]
    parts += [STARTS, _table(DAEMON, lambda name: [])]
    return "\n".join(part if part.endswith("\n") else f"{part}\n" for part in parts)


# --- what there is --------------------------------------------------------------------------


def reasons() -> dict[str, type[ftd.errors.DaemonError]]:
    """Return every reason that the API gives, and whose it is."""
    every: Sequence[type[ftd.errors.DaemonError]] = [
        ftd.errors.DaemonError,
        *_beneath(ftd.errors.DaemonError),
    ]
    return {cls.reason: cls for cls in every if "reason" in vars(cls)}


def unsent() -> list[str]:
    """Return the daemon's errors that no client sees."""
    return [cls.__name__ for cls in _beneath(ftd.errors.DaemonError) if "reason" not in vars(cls)]


def outcomes() -> list[str]:
    """Return every reason of an outcome."""
    names = [name.removeprefix(PREFIX) for name in job_pb2.OutcomeReason.keys()]  # noqa: SIM118
    return [name for name in names if name != "UNSPECIFIED"]


def exceptions() -> list[type[ftctl.errors.FtctlError]]:
    """Return every exception of the client."""
    return [ftctl.errors.FtctlError, *_beneath(ftctl.errors.FtctlError)]


def raised_by(reason: str) -> type[ftctl.errors.FtctlError]:
    """Return the exception that the SDK raises for a reason."""
    faulty = {
        "INVALID_JOB": ftctl.errors.InvalidJob, "INVALID_DATASET": ftctl.errors.InvalidDataset
    }  # fmt: skip
    return faulty.get(reason) or ftctl.errors.BY_REASON[reason]


def _beneath(cls: type[Class]) -> list[type[Class]]:
    found = cls.__subclasses__()
    return [each for child in found for each in (child, *_beneath(child))]


# --- how it is shown ------------------------------------------------------------------------


def _exit_codes() -> Iterator[str]:
    """Yield the rows that the help of `ftctl` tells."""
    for code, meaning in re.findall(r"^  (\d+) +(.+)$", EPILOG, re.MULTILINE):
        yield f"| {code} | {meaning} |"


def _answers() -> Iterator[str]:
    for chapter, advices in REASONS.items():
        yield f"### {chapter}"
        yield _table(advices, _signs_of_reason)


def _signs_of_reason(reason: str) -> list[str]:
    raised, grpc = raised_by(reason), CODES.get(reasons()[reason], StatusCode.INTERNAL)
    return [f"raises `{raised.__name__}`", f"gRPC `{grpc.name}`", f"exit {_exit_of(raised)}"]


def _signs_of_outcome(name: str) -> list[str]:
    state = _state(name.upper())
    outcome = Outcome(reason=OutcomeReason(name), message="")
    return [f"{state.name}", f"exit {codes.of_job(state, outcome)}"]


def _signs_of_exception(name: str) -> list[str]:
    return [f"exit {_exit_of(getattr(ftctl.errors, name))}"]


def _table(advices: Mapping[str, Advice], signs: Callable[[str], list[str]]) -> str:
    lines = ["| | what it means | what to do |", "|---|---|---|"]
    for name, advice in advices.items():
        told = "".join(f"<br>{sign}" for sign in signs(name))
        lines.append(f"| **`{name}`**{told} | {advice.cause} | {advice.remedy} |")
    return "\n".join(lines)


def _state(reason: str) -> JobState:
    special = {
        "COMPLETED": JobState.SUCCEEDED,
        "STOPPED_BY_USER": JobState.SUCCEEDED,
        "STOPPED_EARLY": JobState.SUCCEEDED,
        "CANCELLED_BY_USER": JobState.CANCELLED,
    }
    return special.get(reason, JobState.FAILED)


def _exit_of(cls: type[ftctl.errors.FtctlError]) -> int:
    return codes.of_error(cls.__new__(cls))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
