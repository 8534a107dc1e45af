"""What a worker tells: the records of the journal, how they are written and read. Torch-free.

A journal is a file of lines, one JSON object each, whose last member is the CRC-32 of all that
stands before it. A record counts when its newline and checksum are there. The first line names
the format and the attempt.
"""

import dataclasses
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

FORMAT = 1
FailureName = Literal[
    "bad_recipe", "bad_data", "non_finite_loss", "worker_error", "killed_by_signal", "crashed",
    "out_of_memory", "host_out_of_memory", "disk_full", "resume_refused",
]  # fmt: skip
PhaseName = Literal["setup", "training", "evaluating", "checkpointing", "exporting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line of a journal."""

    kind: ClassVar[str] = "header"
    format: int
    job_id: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The worker runs."""

    kind: ClassVar[str] = "started"
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseChanged:
    """The worker turns to something else. `epoch` counts from 1; 0 lies before the first."""

    kind: ClassVar[str] = "phase"
    phase: PhaseName
    epoch: int
    stage: int = 0
    """Which stage of the training, from 1; 0: there is but one, or none has begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Optimizer steps finished since the record before: first .. first + len(lrs) - 1."""

    kind: ClassVar[str] = "steps"
    epoch: int
    epochs: int
    first: int
    """Number of the first of these steps, from 1."""
    steps: int
    """Steps of the whole run."""
    lrs: list[list[float]]
    """Per step the learning rate of each group."""
    losses: list[float]
    """Per step the mean loss of its images."""
    mean_loss: float
    """Over the epoch so far."""
    images: int
    """Trained on since the run began."""
    images_per_second: float
    data_wait_s: float
    """Seconds in which the run has waited for images since it began."""
    data_wait_ratio: float
    """Share of the time since the record before in which it did, 0 to 1."""

    @property
    def last(self) -> int:
        """Number of the last of these steps."""
        return self.first + len(self.lrs) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Loss and accuracy over `count` images, with the Wilson 95 % interval of the accuracy."""

    loss: float
    accuracy: float
    correct: int
    count: int
    accuracy_low: float
    accuracy_high: float
    balanced_accuracy: float | None = None
    """Mean recall of the classes that have images. None where only sums were kept."""
    top5_accuracy: float | None = None
    """Share of images whose class is among the 5 most likely. None up to 5 classes."""
    calibration_error: float | None = None
    """Mean distance of confidence and accuracy over 15 bins of equal width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEnded:
    """An epoch is trained and evaluated. Epoch 0 is an evaluation before any training."""

    kind: ClassVar[str] = "epoch"
    epoch: int
    step: int
    train: Score | None
    val: Score | None
    """None where the recipe evaluates only some epochs, and not this one."""
    lrs: list[float]
    images_per_second: float
    memory_bytes: int
    seconds: float
    best: bool
    repeat: int = 0
    """Which training of the net, from 1, where the recipe repeats it; 0: there is but one."""
    stage: int = 0
    """Which stage of that training, from 1; 0: there is but one, or (epoch 0) none has begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """One class in an evaluation. Recall is correct / count, precision correct / predicted."""

    label: str
    count: int
    """Images of this class."""
    predicted: int
    """Images that were taken for this class."""
    correct: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """The best checkpoint is evaluated, after training."""

    kind: ClassVar[str] = "evaluated"
    split: Literal["val", "test"]
    epoch: int
    """After which the checkpoint was taken."""
    score: Score
    classes: list[ClassScore]
    """In the model's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved:
    """A checkpoint is safely on disk. `path` is relative to the run directory."""

    kind: ClassVar[str] = "checkpoint"
    which: Literal["last", "best"]
    epoch: int
    step: int
    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something a user should know."""

    kind: ClassVar[str] = "notice"
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """The worker gets on, where for a while nothing else tells so: amid an evaluation."""

    kind: ClassVar[str] = "alive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The worker goes on from a checkpoint of an earlier attempt.

    What follows may tell epochs again that were told before: each counts once, by its number.
    """

    kind: ClassVar[str] = "resumed"
    attempt: int
    """Whose checkpoint it is."""
    epoch: int
    """In which it goes on, from 1."""
    step: int
    """Steps that are done."""
    inexact: str
    """Why the rest may differ from an unbroken run; empty: it does not, bit for bit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """A checkpoint is kept and the worker ends, as it was asked: another attempt goes on."""

    kind: ClassVar[str] = "suspended"
    epoch: int
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactMade:
    """A file is finished. `path` is relative to the run directory."""

    kind: ClassVar[str] = "artifact"
    what: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The run ends with an error that the engine knows."""

    kind: ClassVar[str] = "failed"
    reason: FailureName
    message: str
    remedy: str
    faults: list[dict[str, str]]
    """For bad_recipe: `field` and `description` each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The best validation accuracies of repeats that were trained to their end."""

    accuracies: list[float]
    mean: float
    deviation: float
    """Of the sample; 0 for one alone."""
    low: float | None
    """Lower end of the 95 % interval of the mean by Student's t; None for one alone."""
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The run is complete: all is on disk."""

    kind: ClassVar[str] = "finished"
    best_epoch: int
    best_accuracy: float
    stopped_after: int | None = None
    """The last epoch, where it was asked to end before its recipe does."""
    exhausted_after: int | None = None
    """The last epoch, where validation had stopped to improve (`early_stopping`)."""
    spread: Spread | None = None
    """What the repeats came to."""


Record = (
    Header | Started | PhaseChanged | Steps | EpochEnded | Evaluated | CheckpointSaved
    | Notice | Alive | Resumed | Suspended | ArtifactMade | Failed | Finished
)  # fmt: skip

_KINDS: dict[str, type[Record]] = {
    cls.kind: cls
    for cls in (
        Header, Started, PhaseChanged, Steps, EpochEnded, Evaluated, CheckpointSaved,
        Notice, Alive, Resumed, Suspended, ArtifactMade, Failed, Finished,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A record with the time at which it was written, in seconds since the epoch, UTC."""

    time: float
    record: Record


class BadRecord(ValueError):
    """A line of a journal that is not whole or not of this format."""


def encode(record: Record, *, time: float) -> bytes:
    """Return the line of a record, newline included."""
    body = {"time": time, "kind": record.kind, **dataclasses.asdict(record)}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    head = text[:-1].encode()
    return head + b',"crc":"%08x"}\n' % zlib.crc32(head)


def decode(line: bytes) -> Entry:
    """Read one line, newline included.

    Raises:
        BadRecord: where newline or checksum are missing, or it is of no kind that is known here.
    """
    head, separator, tail = line.rpartition(b',"crc":"')
    if not separator or not tail.endswith(b'"}\n') or tail[:-3] != b"%08x" % zlib.crc32(head):
        raise BadRecord(f"not a whole record: {line[:80]!r}")
    body = json.loads(head + b"}")
    time, kind = body.pop("time"), body.pop("kind")
    if kind not in _KINDS:
        raise BadRecord(f"unknown kind of record: {kind!r}")
    try:
        return Entry(time=time, record=_KINDS[kind](**_with_scores(body)))
    except TypeError as error:
        raise BadRecord(f"a record of another format: {error}") from None


def _with_scores(body: dict[str, Any]) -> dict[str, Any]:
    for name in ("train", "val", "score"):
        if isinstance(body.get(name), dict):
            body[name] = Score(**body[name])
    if body.get("spread") is not None:
        body["spread"] = Spread(**body["spread"])
    if "classes" in body:
        body["classes"] = [ClassScore(**each) for each in body["classes"]]
    return body


def read(path: Path, *, offset: int = 0, until: int = -1) -> tuple[list[Entry], int]:
    """Read the whole records between two byte positions; return them and where to go on.

    A last line without its newline is left for the next reading. A missing file has no records.

    Raises:
        BadRecord: where the first of these lines does not hold its checksum. What stands before
            a bad line is returned first.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(until - offset if until >= 0 else -1)
    except FileNotFoundError:
        return [], offset
    entries: list[Entry] = []
    for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
        try:
            entries.append(decode(line))
        except BadRecord:
            if not entries:
                raise
            break
        offset += len(line)
    return entries, offset
