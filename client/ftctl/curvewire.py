"""The courses of runs as the API's messages."""

from collections.abc import Iterator, Sequence

from finetuned.v1 import plot_service_pb2 as pb
from ftctl.comparison.run import Run
from ftctl.models import Epoch

MOST_EPOCHS = 2000
"""More of them no picture can show apart."""


def curve(run: Run) -> pb.Curve:
    """Write the course of a run."""
    return pb.Curve(
        title=run.label, epochs=map(_epoch, _thinned(run.epochs)), stage_ends=_stage_ends(run)
    )


def _epoch(epoch: Epoch) -> pb.CurveEpoch:
    message = pb.CurveEpoch(epoch=epoch.epoch, repeat=epoch.repeat)
    if epoch.train is not None:
        message.train_loss, message.train_accuracy = epoch.train.loss, epoch.train.accuracy
    if epoch.val is not None:
        message.val_loss, message.val_accuracy = epoch.val.loss, epoch.val.accuracy
    return message


def _thinned(epochs: Sequence[Epoch]) -> Iterator[Epoch]:
    """Yield every so many epochs of a long course, and those that are best."""
    every = -(-len(epochs) // MOST_EPOCHS) or 1
    scores = {epoch.epoch: epoch.val for epoch in epochs if epoch.val is not None}
    best = {
        max(scores, key=lambda number: scores[number].accuracy, default=0),
        min(scores, key=lambda number: scores[number].loss, default=0),
    }
    for place, epoch in enumerate(epochs, start=1):
        if place % every == 0 or epoch.epoch in best or place == len(epochs):
            yield epoch


def _stage_ends(run: Run) -> list[int]:
    """Return after which epochs another stage begins, as the plan has them."""
    stages = run.fact("stages") or ()
    begun = [stage["first_epoch"] for stage in stages if stage.get("epochs")]
    return [number - 1 for number in begun if number > 1]
