"""What users of the client see: jobs, how they stand, and what happened to them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from ftctl import html
from ftctl.errors import Fault, JobFailed
from ftctl.plans import Plan
from ftctl.scores import Evaluation, Score, Spread, Summary

# Of a failed job, in the text of an error; `outcome.faults` has all.
SHOWN_FAULTS = 5


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
    UNKNOWN = "unknown"
    """A state that a newer daemon knows and this client does not."""

    @property
    def is_terminal(self) -> bool:
        """True if the job has ended."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


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
    UNKNOWN = "unknown"


class Phase(StrEnum):
    """What a worker is doing."""

    SETUP = "setup"
    TRAINING = "training"
    EVALUATING = "evaluating"
    CHECKPOINTING = "checkpointing"
    EXPORTING = "exporting"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a job ended."""

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
class Progress:
    """The latest position of a running job. Epochs and steps count from 1."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    images_per_second: float
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One finished epoch. Number 0 is an evaluation before any training."""

    epoch: int
    step: int
    train: Score | None
    val: Score | None
    """None for an epoch that the recipe does not evaluate."""
    lrs: tuple[float, ...]
    """Of each parameter group, at the epoch's last step."""
    images_per_second: float
    memory_bytes: int
    seconds: float
    best: bool
    """True if no epoch before had a validation accuracy as good."""
    repeat: int = 0
    """Which training of the net, from 1, where the recipe repeats it; 0: there is but one."""
    stage: int = 0
    """Which stage of that training, from 1; 0: there is but one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file that a job made, by its path on the daemon's machine."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactFile:
    """A file that a job has made, as it lies on the daemon's disk now."""

    kind: str
    """`model`, `checkpoint/best`, `picture/curves`, ..."""
    name: str
    """Without its folder."""
    size_bytes: int
    path: str
    """On the daemon's machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One start of a worker: which devices it held, from when to when."""

    number: int
    devices: tuple[str, ...]
    """Their ids."""
    start_time: datetime | None
    end_time: datetime | None
    """None while it holds them."""
    outcome: Outcome | None = None
    """How it ended. None while it goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it stood when it was asked for."""

    id: str
    """32 hexadecimal characters; empty for a job that was only validated."""
    name: str
    user: str
    """Whose it is."""
    state: JobState
    reason: str
    """Why a job that waits is waiting."""
    priority: int
    devices: int
    memory_bytes: int | None
    """What it may use of each device. None: it has its devices for itself."""
    after: tuple[str, ...]
    not_before: datetime | None
    timeout_seconds: float | None
    retries: int = 3
    """So many failures that another start can mend are followed by another start."""
    preemptible: bool = False
    """Whether a waiting job of higher priority may take its devices."""
    min_runtime_seconds: float | None = None
    """For so long a preemptible job keeps its devices at least. None: it is not preemptible."""
    labels: Mapping[str, str]
    create_time: datetime | None
    start_time: datetime | None
    end_time: datetime | None
    attempt: int
    attempts: tuple[Attempt, ...]
    device_seconds: float
    """How long it has held devices, summed over them."""
    outcome: Outcome | None
    progress: Progress | None
    best: Epoch | None
    """The best of `epochs` by validation accuracy."""
    epochs: tuple[Epoch, ...]
    recipe: Mapping[str, Any]
    """With all defaults filled in."""
    base: str = ""
    """The named recipe that its own was based on, which has it merged in. Empty: none."""
    plan: Plan | None
    artifacts: tuple[Artifact, ...]
    run_dir: str
    last_sequence: int
    is_finishing: bool = False
    """Whether it ends after the epoch in progress, as its user asked."""
    summary: Summary | None = None
    """None before the first epoch that trains has ended."""
    evaluations: tuple[Evaluation, ...] = ()
    """What the best checkpoint scores, split by split; empty until training has ended, and in
    lists."""
    inexact: str = ""
    """Why the result may differ from that of an unbroken run; empty: it is the same bit for bit."""
    retry_time: datetime | None = None
    """When it is started again after a failure, where it waits for that."""
    failures: int = 0
    """Failures so far that count against `retries`."""
    pause_time: datetime | None = None
    """When it was paused, where it is."""

    def check(self) -> "Job":
        """Return the job if it succeeded.

        Raises:
            JobFailed: where it ended otherwise, or has not ended.
        """
        if self.state is JobState.SUCCEEDED:
            return self
        raise JobFailed("\n".join(_shortfall(self)), job_id=self.id)

    def position(self) -> str:
        """Say how far it is, what it waits for, or why it ended, in a few words."""
        if not self.state.is_terminal and self.reason:
            return self.reason
        if self.outcome and self.outcome.reason is not OutcomeReason.COMPLETED:
            return self.outcome.reason.replace("_", " ")
        return f"epoch {self.progress.epoch}/{self.progress.epochs}" if self.progress else ""

    def badge(self) -> html.Badge:
        """Return its state as a word that stands out."""
        return html.Badge(self.state, _TONES.get(self.state, "idle"))

    def __repr__(self) -> str:
        parts = (self.state.value, self.position(), _best(self))
        return f"<Job {self.name} ({self.id[:8]}): {', '.join(part for part in parts if part)}>"

    def _repr_html_(self) -> str:
        outcome = self.outcome
        facts = [
            ("id", self.id),
            ("where", self.position()),
            ("user", self.user),
            ("submitted", self.create_time),
            ("ended", self.end_time),
            ("", _best(self)),
            ("outcome", outcome.message if outcome else ""),
            ("next", outcome.remedy if outcome else ""),
            ("files", self.run_dir),
        ]
        return html.card(self.name, facts, badge=self.badge())


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to a job. `sequence` counts from 1 without a gap."""

    job_id: str
    sequence: int
    time: datetime
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged(Event):
    """The job changed its state, or the reason for which it waits."""

    state: JobState
    reason: str
    outcome: Outcome | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(Event):
    """The recipe was planned."""

    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressMade(Event):
    """The worker moved on."""

    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEnded(Event):
    """An epoch ended."""

    epoch: Epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved(Event):
    """A checkpoint is on disk. `kind` is `last` or `best`."""

    kind: str
    epoch: int
    step: int
    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """Something worth knowing."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated(Event):
    """The best checkpoint was evaluated."""

    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactMade(Event):
    """A file was made."""

    artifact: Artifact


# --- words ----------------------------------------------------------------------------------

_TONES = {
    JobState.STARTING: "busy",
    JobState.RUNNING: "busy",
    JobState.CANCELLING: "wary",
    JobState.SUCCEEDED: "good",
    JobState.FAILED: "bad",
}


def _best(job: Job) -> str:
    if job.best is None or job.best.val is None:
        return ""
    return f"best {100 * job.best.val.accuracy:.1f} % after epoch {job.best.epoch}"


def _shortfall(job: Job) -> Iterator[str]:
    """Yield, line by line, what keeps a job from being a success."""
    if not job.state.is_terminal:
        known = job.state is not JobState.UNKNOWN
        state = job.state.value if known else "in a state that this client does not know"
        reason = f" ({job.reason})" if job.reason else ""
        yield f"job {job.name} has not ended: it is {state}{reason}"
        return
    if job.state is JobState.CANCELLED:
        yield f"job {job.name} was cancelled"
        return
    yield f"job {job.name} failed{f': {job.outcome.message}' if job.outcome else ''}"
    if job.outcome:
        yield from _advice(job.outcome)


def _advice(outcome: Outcome) -> Iterator[str]:
    yield from (f"  {fault}" for fault in outcome.faults[:SHOWN_FAULTS])
    rest = len(outcome.faults) - SHOWN_FAULTS
    if rest > 0:
        yield f"  and {rest} more"
    if outcome.remedy:
        yield outcome.remedy
