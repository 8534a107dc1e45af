"""A job and its history, as the daemon thinks of them. Knows neither grpc nor proto nor SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from fttrain.events import Spread
from fttrain.spec.faults import Fault

JobId = str
RETRIES = 3
MIN_RUNTIME_S = 60.0


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """True if no way leads out."""
        return self in TERMINAL


TERMINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


class OutcomeReason(StrEnum):
    """Why a job ended."""

    COMPLETED = "completed"
    BAD_RECIPE = "bad_recipe"
    DEPENDENCY_FAILED = "dependency_failed"
    START_FAILED = "start_failed"
    WORKER_ERROR = "worker_error"
    KILLED_BY_SIGNAL = "killed_by_signal"
    LOST = "lost"
    NON_FINITE_LOSS = "non_finite_loss"
    BAD_DATA = "bad_data"
    CANCELLED_BY_USER = "cancelled_by_user"
    TIMED_OUT = "timed_out"
    STOPPED_BY_USER = "stopped_by_user"
    STOPPED_EARLY = "stopped_early"
    OUT_OF_MEMORY = "out_of_memory"
    HOST_OUT_OF_MEMORY = "host_out_of_memory"
    DISK_FULL = "disk_full"
    CRASHED = "crashed"
    STALLED = "stalled"
    RESUME_REFUSED = "resume_refused"
    PAUSED_BY_USER = "paused_by_user"
    PREEMPTED = "preempted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a job ended: present exactly in a terminal state. Or how an attempt did."""

    reason: OutcomeReason
    message: str
    remedy: str = ""
    exit_code: int | None = None
    signal: int | None = None
    log_tail: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    spread: Spread | None = None
    """What the repeats of the recipe came to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What a user asks for, checked and canonical."""

    name: str
    """Empty: the first eight characters of the id."""
    devices: int
    priority: int
    after: tuple[str, ...]
    """Names or ids as the user wrote them."""
    labels: Mapping[str, str]
    recipe_json: str
    """Canonical."""
    memory_bytes: int | None = None
    """Of each device; None: it has its devices for itself."""
    not_before: datetime | None = None
    timeout_s: float | None = None
    """Of all its attempts together."""
    retries: int = RETRIES
    """Starts after failures that another start can mend."""
    is_preemptible: bool = False
    min_runtime_s: float = MIN_RUNTIME_S
    """How long a preemptible job keeps its devices at least, from each start on."""
    base: str = ""
    """The named recipe that the recipe was based on; it is merged in. Empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetUse:
    """A pushed data set as a job uses it."""

    name: str
    """As the recipe says it: NAME, or USER/NAME."""
    owner: str
    """Whose it is."""
    digest: str
    """Of what it held when the job was submitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job. Changed only by `dataclasses.replace`; its state only by `states.advance`."""

    id: JobId
    number: int
    """Order of submission, from 1."""
    request: JobRequest
    after_ids: tuple[JobId, ...]
    references: Mapping[str, JobId]
    """`job:NAME/best` in the recipe -> the id that NAME meant at submission."""
    state: JobState
    datasets: tuple[DatasetUse, ...] = ()
    user: str = ""
    """Who submitted it."""
    reason: str = ""
    """Why it waits, where it waits."""
    create_time: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    outcome: Outcome | None = None
    attempt: int = 0
    last_sequence: int = 0
    plan_json: str = ""
    run_dir: str = ""
    progress: Mapping[str, Any] | None = None
    """The body of the latest `progress` event."""
    epochs: tuple[Mapping[str, Any], ...] = ()
    """The bodies of all `epoch` events."""
    artifacts: tuple[Mapping[str, Any], ...] = ()
    evaluations: tuple[Mapping[str, Any], ...] = ()
    """The body of the latest `evaluated` event of each split."""
    failures: int = 0
    """Failures that count against `retries`."""
    retry_time: datetime | None = None
    """When it is started again after a failure, where it waits for that."""
    inexact: str = ""
    """Why it may differ from an unbroken run; empty: it does not."""

    @property
    def name(self) -> str:
        """The job's name."""
        return self.request.name


@dataclass(frozen=True, slots=True, kw_only=True)
class UserUsage:
    """What a user has and had of the machine."""

    user: str
    queued: int = 0
    """Jobs that wait."""
    running: int = 0
    """Jobs that hold devices."""
    ended: int = 0
    device_seconds: float = 0.0
    """Time that his jobs have held devices, summed over them."""


class EventKind(StrEnum):
    """What kind of thing happened. Each has its own body."""

    STATE = "state"  # state, reason, outcome (null or the fields of Outcome)
    PLANNED = "planned"  # plan_json
    PROGRESS = "progress"  # what `records.py` makes of the journal's steps
    EPOCH = "epoch"  # the fields of fttrain.events.EpochEnded
    CHECKPOINT = "checkpoint"  # which, epoch, step, path (absolute), sha256
    NOTICE = "notice"  # message
    ARTIFACT = "artifact"  # what, path (absolute)
    EVALUATED = "evaluated"  # the fields of fttrain.events.Evaluated


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """Something that happened and is not stored yet."""

    kind: EventKind
    time: datetime
    attempt: int
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A stored event: its sequence number counts from 1 within its job, without a gap."""

    job_id: JobId
    sequence: int
    kind: EventKind
    time: datetime
    attempt: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One start of a worker. Who supervises it stands in its run directory (shim.json)."""

    job_id: JobId
    number: int
    run_dir: str
    devices: tuple[str, ...]
    start_time: datetime
    end_time: datetime | None = None
    """When its devices were free again."""
    journal_offset: int = 0
    """Bytes of the journal that are stored as events."""
    outcome: Outcome | None = None
    """How it ended, where it has."""

    def seconds(self, now: datetime) -> float:
        """Return for how long it has held its devices; 0 where the clock was set back meanwhile."""
        return max(((self.end_time or now) - self.start_time).total_seconds(), 0.0)
