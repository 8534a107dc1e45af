"""What can go wrong for a caller of the daemon. Knows no transport.

DaemonError
├── InvalidJob           INVALID_JOB            the job or its recipe has faults
├── InvalidRequest       INVALID_ARGUMENT       a request outside its limits
│   └── InvalidPageToken INVALID_PAGE_TOKEN
├── JobNotFound          JOB_NOT_FOUND
├── AmbiguousJobId       AMBIGUOUS_JOB_ID
├── JobNotEnded          JOB_NOT_ENDED          only an ended job can be deleted
├── JobEnded             JOB_ENDED              a job that has ended cannot be paused
├── JobNotRunning        JOB_NOT_RUNNING        a job that has not begun to train
├── JobInUse             JOB_IN_USE             a job that has not ended needs it
├── ArtifactNotFound     ARTIFACT_NOT_FOUND     the job has made no such file
├── ImagesLocked         TEST_LOCKED            images that the job itself tests on
├── DatasetNotFound      DATASET_NOT_FOUND
├── DatasetInUse         DATASET_IN_USE         a job that has not ended uses it
├── InvalidDataset       INVALID_DATASET        a list of files with faults
├── PushNotFound         PUSH_NOT_FOUND
├── PushIncomplete       PUSH_INCOMPLETE        files have not arrived
├── DigestMismatch       DIGEST_MISMATCH        other content than was announced
├── DiskFull             DISK_FULL
├── StoreFailed          STORE_FAILED           the job store or its disk is damaged
├── NameTaken            NAME_TAKEN
├── QueueFull            QUEUE_FULL
├── DeviceNotFound       DEVICE_NOT_FOUND
├── AmbiguousDeviceId    AMBIGUOUS_DEVICE_ID
├── RequestIdReused      REQUEST_ID_REUSED
├── WatcherTooSlow       WATCHER_TOO_SLOW
├── ShuttingDown         SHUTTING_DOWN
├── PlannerUnavailable   PLANNER_UNAVAILABLE
├── BadImage             BAD_IMAGE              an image that cannot be read
├── PredictorUnavailable PREDICTOR_UNAVAILABLE
├── PlotterUnavailable   PLOTTER_UNAVAILABLE
├── EvaluatorUnavailable EVALUATOR_UNAVAILABLE
├── Unauthenticated      UNAUTHENTICATED        no token, or none that is live
├── PermissionDenied     PERMISSION_DENIED      for admins only
├── TokenNameTaken                              a live token has this name
├── TokenNotFound                               no live token has it
├── StateLocked                                 another daemon holds the state directory
└── BadConfig                                   a start that cannot be
    └── BadBackup                               a folder that cannot be restored from
"""

from collections.abc import Sequence
from typing import ClassVar

from fttrain.spec.faults import Fault


class DaemonError(Exception):
    """The base of all domain errors. The message is for the user: what, to what, what next."""

    reason: ClassVar[str] = "INTERNAL"


class InvalidRequest(DaemonError):
    """A request outside its limits."""

    reason = "INVALID_ARGUMENT"


class InvalidPageToken(InvalidRequest):
    """A page token that this daemon did not give."""

    reason = "INVALID_PAGE_TOKEN"


class InvalidJob(DaemonError):
    """A job with faults, all of them."""

    reason = "INVALID_JOB"

    def __init__(self, faults: Sequence[Fault]) -> None:
        count = len(faults)
        super().__init__(f"the job has {count} fault{'s' if count > 1 else ''}")
        self.faults = tuple(faults)


class JobNotFound(DaemonError):
    """No job has this id or name."""

    reason = "JOB_NOT_FOUND"


class AmbiguousJobId(DaemonError):
    """A prefix that several ids share."""

    reason = "AMBIGUOUS_JOB_ID"


class JobNotEnded(DaemonError):
    """A job that has not ended, where only an ended one will do."""

    reason = "JOB_NOT_ENDED"


class JobEnded(DaemonError):
    """A job that has ended, where only one that has not will do."""

    reason = "JOB_ENDED"


class JobNotRunning(DaemonError):
    """A job that has not begun to train, where one that trains is wanted."""

    reason = "JOB_NOT_RUNNING"


class JobInUse(DaemonError):
    """A job that another one, which has not ended, needs."""

    reason = "JOB_IN_USE"


class ArtifactNotFound(DaemonError):
    """A file that the job has not made, or that is gone."""

    reason = "ARTIFACT_NOT_FOUND"


class ImagesLocked(DaemonError):
    """Images that a job tests on: read once, by the job itself."""

    reason = "TEST_LOCKED"


class DatasetNotFound(DaemonError):
    """No data set has this name."""

    reason = "DATASET_NOT_FOUND"


class DatasetInUse(DaemonError):
    """A data set that a job which has not ended uses."""

    reason = "DATASET_IN_USE"


class InvalidDataset(DaemonError):
    """A list of files with faults, all of them."""

    reason = "INVALID_DATASET"

    def __init__(self, faults: Sequence[Fault], *, more: int = 0) -> None:
        """`more` is how many there are beyond those that are described."""
        count = len(faults) + more
        super().__init__(f"the list of files has {count} fault{'s' if count > 1 else ''}")
        rest = [Fault(field="", description=f"and {more} more fault{'s' * (more > 1)}")]
        self.faults = (*faults, *(rest if more else []))


class PushNotFound(DaemonError):
    """No push has this id, or it is another user's."""

    reason = "PUSH_NOT_FOUND"


class PushIncomplete(DaemonError):
    """A push of which files have not arrived."""

    reason = "PUSH_INCOMPLETE"


class DigestMismatch(DaemonError):
    """A file that arrived with other content than was announced."""

    reason = "DIGEST_MISMATCH"


class DiskFull(DaemonError):
    """The daemon's disk has no room for it."""

    reason = "DISK_FULL"


class StoreFailed(DaemonError):
    """The job store cannot be read or written: it, or the disk beneath it, is damaged."""

    reason = "STORE_FAILED"


class NameTaken(DaemonError):
    """A job of this name has not ended."""

    reason = "NAME_TAKEN"


class QueueFull(DaemonError):
    """As many jobs wait as may."""

    reason = "QUEUE_FULL"


class DeviceNotFound(DaemonError):
    """No device has this id."""

    reason = "DEVICE_NOT_FOUND"


class AmbiguousDeviceId(DaemonError):
    """A prefix that the ids of several devices share."""

    reason = "AMBIGUOUS_DEVICE_ID"


class RequestIdReused(DaemonError):
    """A request id that came with another job before."""

    reason = "REQUEST_ID_REUSED"


class WatcherTooSlow(DaemonError):
    """A watcher that fell behind and was cut."""

    reason = "WATCHER_TOO_SLOW"


class ShuttingDown(DaemonError):
    """The daemon stops; jobs go on."""

    reason = "SHUTTING_DOWN"


class PlannerUnavailable(DaemonError):
    """The planner could not answer."""

    reason = "PLANNER_UNAVAILABLE"


class BadImage(DaemonError):
    """An image that cannot be read: one of several, so its place among them is told, from 1."""

    reason = "BAD_IMAGE"

    def __init__(self, place: int, why: str) -> None:
        super().__init__(f"image {place} {why}")
        self.place = place


class PredictorUnavailable(DaemonError):
    """The predictor could not answer."""

    reason = "PREDICTOR_UNAVAILABLE"


class PlotterUnavailable(DaemonError):
    """The plotter could not draw."""

    reason = "PLOTTER_UNAVAILABLE"


class EvaluatorUnavailable(DaemonError):
    """The evaluator could not answer."""

    reason = "EVALUATOR_UNAVAILABLE"


class Unauthenticated(DaemonError):
    """A call without a token that is live. One text for all causes: it tells a guesser nothing."""

    reason = "UNAUTHENTICATED"

    def __init__(self) -> None:
        super().__init__(
            "this needs a token that is live; ask who runs the daemon for one (`ftd token create "
            "NAME` makes it) and put it into FTCTL_TOKEN or an `ftctl context`"
        )


class PermissionDenied(DaemonError):
    """Something that only admins may do."""

    reason = "PERMISSION_DENIED"


class TokenNameTaken(DaemonError):
    """A live token has this name."""


class TokenNotFound(DaemonError):
    """No live token has this name."""


class StateLocked(DaemonError):
    """Another daemon holds the state directory."""


class BadConfig(DaemonError):
    """A configuration with which the daemon cannot start."""


class BadBackup(BadConfig):
    """A folder that cannot be restored from."""
