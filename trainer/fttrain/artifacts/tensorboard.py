"""A run as TensorBoard reads it: what the journal has, written by TensorBoard's own code."""

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path

from fttrain.events import Entry, EpochEnded, Evaluated, Score, Steps

PACKAGE = "tensorboard"
Point = tuple[float, int, str, float]
"""Time in seconds since 1970, step, name, value."""
_SHARES = ("loss", "accuracy", "balanced_accuracy", "top5_accuracy", "calibration_error")


def is_installed() -> bool:
    """Return whether TensorBoard is there to write with."""
    return importlib.util.find_spec(PACKAGE) is not None


def write(entries: Iterable[Entry], path: Path) -> None:
    """Write the scalars of a journal as one event file.

    Steps count optimizer steps. Per step there are `train/step_loss` and `lr/group_N`, per epoch
    the scores of both splits, and at the end those of the best checkpoint as `best_val/...` and
    `test/...`.
    """
    # Not at the top: it is an extra, and takes its time. It has no types.
    from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]
    from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
    from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

    with path.open("wb") as file:
        records = RecordWriter(file)
        records.write(Event(wall_time=0.0, file_version="brain.Event:2").SerializeToString())
        for time, step, name, number in points(entries):
            summary = Summary(value=[Summary.Value(tag=name, simple_value=number)])
            event = Event(wall_time=time, step=step, summary=summary)
            records.write(event.SerializeToString())
        records.flush()


def points(entries: Iterable[Entry]) -> Iterator[Point]:
    """Yield every scalar of a journal, in order."""
    steps: dict[int, int] = {}
    for entry in entries:
        match entry.record:
            case Steps() as told:
                yield from _steps(entry.time, told)
            case EpochEnded() as epoch:
                steps[epoch.epoch] = epoch.step
                yield from _epoch(entry.time, epoch)
            case Evaluated() as found:
                split = "best_val" if found.split == "val" else found.split
                step = steps.get(found.epoch, 0)
                yield from _score(entry.time, step, split, found.score)


def _steps(time: float, told: Steps) -> Iterator[Point]:
    for place, (loss, lrs) in enumerate(zip(told.losses, told.lrs, strict=True)):
        step = told.first + place
        yield time, step, "train/step_loss", loss
        for group, lr in enumerate(lrs, start=1):
            yield time, step, f"lr/group_{group}", lr


def _epoch(time: float, epoch: EpochEnded) -> Iterator[Point]:
    for split, score in (("train", epoch.train), ("val", epoch.val)):
        if score is not None:
            yield from _score(time, epoch.step, split, score)
    yield time, epoch.step, "epoch", float(epoch.epoch)
    yield time, epoch.step, "images_per_second", epoch.images_per_second


def _score(time: float, step: int, split: str, score: Score) -> Iterator[Point]:
    for name in _SHARES:
        number = getattr(score, name)
        if number is not None:
            yield time, step, f"{split}/{name}", number
