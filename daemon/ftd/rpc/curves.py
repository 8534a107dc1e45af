"""The courses of runs that come with a request, as a plotter takes them."""

from collections.abc import Mapping, Sequence
from typing import Any

from finetuned.v1 import plot_service_pb2 as pb
from ftd.errors import InvalidRequest

MOST_RUNS = 8
MOST_EPOCHS = 20_000
MOST_LETTERS = 200


def bodies(runs: Sequence[pb.Curve]) -> list[dict[str, Any]]:
    """Return the numbers of each run. Raises InvalidRequest."""
    if not 0 < len(runs) <= MOST_RUNS:
        raise InvalidRequest(f"runs: 1 to {MOST_RUNS} in one picture, not {len(runs)}")
    return [_body(f"runs[{place}]", run) for place, run in enumerate(runs)]


def _body(where: str, run: pb.Curve) -> dict[str, Any]:
    if not 0 < len(run.title) <= MOST_LETTERS:
        raise InvalidRequest(f"{where}.title: 1 to {MOST_LETTERS} characters")
    if not run.epochs:
        raise InvalidRequest(f"{where}: {run.title} has no curves yet: no epoch of it has ended")
    if len(run.epochs) > MOST_EPOCHS:
        raise InvalidRequest(f"{where}.epochs: at most {MOST_EPOCHS:,}, not {len(run.epochs):,}")
    return {
        "title": run.title,
        "stage_ends": list(run.stage_ends),
        "epochs": [_epoch(epoch) for epoch in run.epochs],
    }


def _epoch(epoch: pb.CurveEpoch) -> Mapping[str, Any]:
    return {
        "epoch": epoch.epoch,
        "repeat": epoch.repeat,
        "train": _score(epoch, "train"),
        "val": _score(epoch, "val"),
    }


def _score(epoch: pb.CurveEpoch, split: str) -> dict[str, float] | None:
    """Return loss and accuracy of a split; None where they are absent."""
    fields = {"loss": f"{split}_loss", "accuracy": f"{split}_accuracy"}
    told = {field.name for field, _ in epoch.ListFields()}
    if not told.issuperset(fields.values()):
        return None
    return {name: getattr(epoch, field) for name, field in fields.items()}
