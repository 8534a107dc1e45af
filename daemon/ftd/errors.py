"""What can go wrong for a caller of the daemon. Knows no transport.

DaemonError
├── InvalidJob           INVALID_JOB            the job or its recipe has faults
├── InvalidRequest       INVALID_ARGUMENT       a request outside its limits
│   └── InvalidPageToken INVALID_PAGE_TOKEN
├── JobNotFound          JOB_NOT_FOUND
├── AmbiguousJobId       AMBIGUOUS_JOB_ID
├── NameTaken            NAME_TAKEN
├── QueueFull            QUEUE_FULL
├── DeviceNotFound       DEVICE_NOT_FOUND
├── AmbiguousDeviceId    AMBIGUOUS_DEVICE_ID
├── RequestIdReused      REQUEST_ID_REUSED
├── WatcherTooSlow       WATCHER_TOO_SLOW
├── ShuttingDown         SHUTTING_DOWN
├── PlannerUnavailable   PLANNER_UNAVAILABLE
├── Unauthenticated      UNAUTHENTICATED        no token, or none that is live
├── PermissionDenied     PERMISSION_DENIED      for admins only
├── TokenNameTaken                              a live token has this name
├── TokenNotFound                               no live token has it
├── StateLocked                                 another daemon holds the state directory
└── BadConfig                                   a start that cannot be
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


class Unauthenticated(DaemonError):
    """A call without a token that is live. One text for all causes: it tells a guesser nothing."""

    reason = "UNAUTHENTICATED"

    def __init__(self) -> None:
        super().__init__(
            "this needs a token that is live; ask who runs the daemon for one (`ftd token create "
            "NAME` makes it) and put it into FTCTL_TOKEN"
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
