"""What can go wrong for a user of the client.

FtctlError
├── BadInput            something that the user gave
│   ├── BadJobFile      a file that cannot be read as a job
│   ├── InvalidJob      a job with faults, all of them
│   ├── JobNotFound
│   ├── AmbiguousJob    a prefix that several ids share
│   ├── JobNotEnded     a job that has not ended, where only an ended one will do
│   ├── JobEnded        a job that has ended, where only one that has not will do
│   ├── JobNotRunning   a job that has not begun to train, where one that trains is wanted
│   ├── JobInUse        a job that another one needs, which has not ended
│   ├── ArtifactNotFound    a file that the job has not made
│   ├── ImagesLocked    images that a job tests on, where others are wanted
│   ├── BadImage        an image file that cannot be sent, or not be decoded
│   ├── NameTaken       a job of that name has not ended
│   ├── DeviceNotFound
│   ├── AmbiguousDevice     a prefix that several devices share
│   ├── DatasetNotFound
│   ├── DatasetInUse    a job that has not ended needs it
│   ├── InvalidDataset  files that cannot be pushed, all of them
│   ├── DigestMismatch  a file that changed while it was pushed
│   └── InvalidRequest  a request outside its limits
├── Unauthenticated     no token, or none that is live
├── PermissionDenied    something that this user may not
├── DaemonUnreachable   no daemon answers
│   ├── WatchInterrupted    it stopped answering while a job was followed; the job goes on
│   └── PushInterrupted     it stopped answering while files were pushed; what arrived stays
├── DaemonError         the daemon could not do what was asked
│   ├── QueueFull       as many jobs wait as may
│   ├── DiskFull        it has no room for the files
│   ├── StoreFailed     its job store is damaged, or the disk beneath
│   ├── PushNotFound    a push that it has forgotten
│   └── PushIncomplete  files of a push are missing
├── NotEnded            a job that has not ended in the time that it was given; it goes on
└── JobFailed           a job that did not succeed, where success was asked for
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Of the faults of a data set, which may have a million, so many are in the message.
MOST_TOLD = 10


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


class JobNotEnded(BadInput):
    """A job that has not ended, where only an ended one will do."""


class JobEnded(BadInput):
    """A job that has ended, where only one that has not will do."""


class JobNotRunning(BadInput):
    """A job that has not begun to train, where one that trains is wanted."""


class JobInUse(BadInput):
    """A job that another one, which has not ended, needs."""


class ArtifactNotFound(BadInput):
    """A file that the job has not made, or that is gone."""


class BadImage(BadInput):
    """An image file that cannot be sent, or that the daemon cannot decode."""

    def __init__(self, message: str, *, path: Path | None = None, place: int = 0) -> None:
        super().__init__(message)
        self.path = path
        """The file; where there are several, the first."""
        self.place = place
        """Which image of the call it is, from 1; 0: it was not sent."""


class ImagesLocked(BadInput):
    """Images that a job itself tests on, once, at its end."""


class NameTaken(BadInput):
    """A job of this name has not ended."""


class DeviceNotFound(BadInput):
    """No device has this id."""


class AmbiguousDevice(BadInput):
    """A prefix that several devices share."""


class DatasetNotFound(BadInput):
    """No data set has this name."""


class DatasetInUse(BadInput):
    """A job that has not ended needs this data set."""


class InvalidDataset(BadInput):
    """Files that cannot be pushed. Nothing was sent; `faults` has all, by their paths."""

    def __init__(self, faults: Sequence[Fault], heading: str = "not a data set") -> None:
        rest = len(faults) - MOST_TOLD
        lines = [f"  {fault}" for fault in faults[:MOST_TOLD]]
        lines += [f"  and {rest:,} more"] if rest > 0 else []
        super().__init__("\n".join([heading, *lines]))
        self.faults = tuple(faults)


class DigestMismatch(BadInput):
    """A file that changed while it was pushed."""


class InvalidRequest(BadInput):
    """A request outside its limits."""


class Unauthenticated(FtctlError):
    """A call without a token that is live."""


class PermissionDenied(FtctlError):
    """Something that this user may not do."""


class DaemonUnreachable(FtctlError):
    """No daemon answers."""


class WatchInterrupted(DaemonUnreachable):
    """The daemon stopped answering while a job was followed. The job goes on."""


class PushInterrupted(DaemonUnreachable):
    """The daemon stopped answering while files were pushed. What has arrived stays."""


class DaemonError(FtctlError):
    """The daemon could not do what was asked."""


class QueueFull(DaemonError):
    """As many jobs wait as may."""


class DiskFull(DaemonError):
    """The daemon has no room for the files."""


class StoreFailed(DaemonError):
    """The daemon's job store is damaged, or the disk beneath it; who runs it must see to it."""


class PushNotFound(DaemonError):
    """A push that the daemon has forgotten; the same push begins anew."""


class PushIncomplete(DaemonError):
    """Files of a push are missing; the same push goes on."""


class NotEnded(FtctlError, TimeoutError):
    """A job that has not ended in the time that it was given. It goes on."""


class JobFailed(FtctlError):
    """A job that did not succeed."""

    def __init__(self, message: str, *, job_id: str) -> None:
        super().__init__(message)
        self.job_id = job_id


# The `reason` of a google.rpc.ErrorInfo and what it is here. INVALID_JOB and INVALID_DATASET bring
# faults along.
BY_REASON: dict[str, type[FtctlError]] = {
    "JOB_NOT_FOUND": JobNotFound,
    "AMBIGUOUS_JOB_ID": AmbiguousJob,
    "JOB_NOT_ENDED": JobNotEnded,
    "JOB_ENDED": JobEnded,
    "JOB_NOT_RUNNING": JobNotRunning,
    "JOB_IN_USE": JobInUse,
    "ARTIFACT_NOT_FOUND": ArtifactNotFound,
    "TEST_LOCKED": ImagesLocked,
    "NAME_TAKEN": NameTaken,
    "QUEUE_FULL": QueueFull,
    "DEVICE_NOT_FOUND": DeviceNotFound,
    "AMBIGUOUS_DEVICE_ID": AmbiguousDevice,
    "DATASET_NOT_FOUND": DatasetNotFound,
    "DATASET_IN_USE": DatasetInUse,
    "PUSH_NOT_FOUND": PushNotFound,
    "PUSH_INCOMPLETE": PushIncomplete,
    "DIGEST_MISMATCH": DigestMismatch,
    "DISK_FULL": DiskFull,
    "STORE_FAILED": StoreFailed,
    "REQUEST_ID_REUSED": InvalidRequest,
    "INVALID_PAGE_TOKEN": InvalidRequest,
    "INVALID_ARGUMENT": InvalidRequest,
    "UNAUTHENTICATED": Unauthenticated,
    "PERMISSION_DENIED": PermissionDenied,
    "SHUTTING_DOWN": DaemonUnreachable,
    "WATCHER_TOO_SLOW": DaemonError,
    "PLANNER_UNAVAILABLE": DaemonError,
    "BAD_IMAGE": BadImage,
    "PREDICTOR_UNAVAILABLE": DaemonError,
    "PLOTTER_UNAVAILABLE": DaemonError,
    "EVALUATOR_UNAVAILABLE": DaemonError,
    "INTERNAL": DaemonError,
}
