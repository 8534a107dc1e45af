"""What can go wrong for a user of the client.

FtctlError
├── BadInput            something that the user gave
│   ├── BadJobFile      a file that cannot be read as a job
│   ├── InvalidJob      a job with faults, all of them
│   ├── JobNotFound
│   ├── AmbiguousJob    a prefix that several ids share
│   ├── NameTaken       a job of that name has not ended
│   ├── DeviceNotFound
│   ├── AmbiguousDevice     a prefix that several devices share
│   └── InvalidRequest  a request outside its limits
├── DaemonUnreachable   no daemon answers
│   └── WatchInterrupted    it stopped answering while a job was followed; the job goes on
├── DaemonError         the daemon could not do what was asked
│   └── QueueFull       as many jobs wait as may
├── NotEnded            a job that has not ended in the time that it was given; it goes on
└── JobFailed           a job that did not succeed, where success was asked for
"""

from collections.abc import Sequence
from dataclasses import dataclass


class FtctlError(Exception):
    """The base of all errors of the client. The message is for the user."""


class BadInput(FtctlError):
    """Something that the user gave cannot be used."""


class BadJobFile(BadInput):
    """A file that cannot be read as a job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a job: the field's path, what is wrong, and where it stands in the file."""

    field: str
    description: str
    place: str = ""
    """`job.yaml:3:5` or `--set train.epochs`; empty where the job came from no file."""

    def __str__(self) -> str:
        # `--set train.epochs` names the field already.
        field = "" if self.place == f"--set {self.field}" else self.field
        return ": ".join(part for part in (self.place, field, self.description) if part)


class InvalidJob(BadInput):
    """A job with faults, all of them."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class JobNotFound(BadInput):
    """No job has this id or name."""


class AmbiguousJob(BadInput):
    """A prefix that several ids share."""


class NameTaken(BadInput):
    """A job of this name has not ended."""


class DeviceNotFound(BadInput):
    """No device has this id."""


class AmbiguousDevice(BadInput):
    """A prefix that several devices share."""


class InvalidRequest(BadInput):
    """A request outside its limits."""


class DaemonUnreachable(FtctlError):
    """No daemon answers."""


class WatchInterrupted(DaemonUnreachable):
    """The daemon stopped answering while a job was followed. The job goes on."""


class DaemonError(FtctlError):
    """The daemon could not do what was asked."""


class QueueFull(DaemonError):
    """As many jobs wait as may."""


class NotEnded(FtctlError, TimeoutError):
    """A job that has not ended in the time that it was given. It goes on."""


class JobFailed(FtctlError):
    """A job that did not succeed."""

    def __init__(self, message: str, *, job_id: str) -> None:
        super().__init__(message)
        self.job_id = job_id


# The `reason` of a google.rpc.ErrorInfo and what it is here. INVALID_JOB brings faults along.
BY_REASON: dict[str, type[FtctlError]] = {
    "JOB_NOT_FOUND": JobNotFound,
    "AMBIGUOUS_JOB_ID": AmbiguousJob,
    "NAME_TAKEN": NameTaken,
    "QUEUE_FULL": QueueFull,
    "DEVICE_NOT_FOUND": DeviceNotFound,
    "AMBIGUOUS_DEVICE_ID": AmbiguousDevice,
    "REQUEST_ID_REUSED": InvalidRequest,
    "INVALID_PAGE_TOKEN": InvalidRequest,
    "INVALID_ARGUMENT": InvalidRequest,
    "SHUTTING_DOWN": DaemonUnreachable,
    "WATCHER_TOO_SLOW": DaemonError,
    "PLANNER_UNAVAILABLE": DaemonError,
    "INTERNAL": DaemonError,
}
