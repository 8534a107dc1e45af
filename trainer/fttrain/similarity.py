"""The comparer's main: a short-lived process that says how alike the nets of two runs are.

Its directory holds `request.json`: `first` and `second`, each with `title`, `run_dir` and `net` (a
model's file or a checkpoint); `images`, how many of the first run's validation images are seen;
`picture`, whether it is drawn; `threads`. It leaves `result.json` and perhaps `picture.png`; or
`fault.json`: why, and as `kind` `other` (their architectures differ) or `model`.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from fttrain import evaluation, process
from fttrain.artifacts.export import BadModel
from fttrain.data.decode import BadImage
from fttrain.data.labelled import BadData
from fttrain.data.order import Indices
from fttrain.data.samples import Samples
from fttrain.data.stream import Stream, Task
from fttrain.data.view import EvalView, normalise
from fttrain.evaluation import BadRun, Run
from fttrain.insight import alike
from fttrain.insight.alike import Alike, Side
from fttrain.judge import Judge
from fttrain.models import tensors
from fttrain.models.tensors import BadWeights
from fttrain.pictures import similarity
from fttrain.pictures.look import Look
from fttrain.spec import rundir
from fttrain.state.checkpoint import Card

REQUEST = "request.json"
RESULT = "result.json"
PICTURE = "picture.png"
FAULT = "fault.json"
POLITENESS = 15
"""Training on the same cores goes first."""
_AT_ONCE = 16


class OtherArchitecture(Exception):
    """Nets whose layers do not answer to each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One of the two nets."""

    title: str
    run: Run
    judge: Judge
    epoch: int

    @classmethod
    def read(cls, told: dict[str, Any]) -> "Given":
        """Read a net. Raises BadModel, BadRun, BadWeights, OSError."""
        run = Run.read(Path(told["run_dir"]))
        path = Path(told["net"])
        judge, epoch = evaluation.judge(run, path)
        judge.net.module.eval()
        if path.name == Path(rundir.LAST).name:
            # Of the best one its card tells as well.
            epoch = Card.of(tensors.read(path), path).epoch
        return cls(title=told["title"], run=run, judge=judge, epoch=epoch)

    @property
    def architecture(self) -> str:
        """What has to be the same: the net, whatever its head and its weights."""
        model = self.run.recipe.model
        if model.name is not None:
            return model.name
        net = model.model_dump(mode="json", include={"cnn", "rn"}, exclude_none=True)
        ((kind, options),) = net.items()
        said = ", ".join(f"{key} {value}" for key, value in options.items() if key != "dropout")
        return f"{kind} ({said})"


def main(folder: Path) -> int:
    """Compare as one request says; return 0 where a result is there or a fault is told."""
    request = json.loads((folder / REQUEST).read_text())
    os.nice(POLITENESS)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    process.settle(threads=request["threads"], device="cpu")
    try:
        first, second = (Given.read(request[name]) for name in ("first", "second"))
        body = compared(first, second, request["images"])
    except OtherArchitecture as other:
        _leave(folder, "other", str(other))
    except (BadModel, BadRun, BadWeights, OSError) as error:
        _leave(folder, "model", str(error))
    else:
        if request["picture"]:
            (folder / PICTURE).write_bytes(similarity.draw([body], Look()))
        rundir.write_aside(folder / RESULT, json.dumps(body, allow_nan=False).encode())
    return 0


def compared(first: Given, second: Given, most: int) -> dict[str, Any]:
    """Return how alike two nets are, layer by layer, in the order of the first.

    Features are those of at most so many validation images of the first run, at equal distances;
    each net sees them as it was trained to. Where they cannot be had, parameters are compared
    alone, and a notice says why.

    Raises:
        OtherArchitecture: where they are not of one.
    """
    if first.architecture != second.architecture:
        raise OtherArchitecture(
            f"{first.title} is {first.architecture}, {second.title} is {second.architecture}: "
            "layers are compared of nets of one architecture"
        )
    chosen: Indices = np.zeros(0, np.int64)
    sides = Side(net=first.judge.net, batches=list), Side(net=second.judge.net, batches=list)
    rows, notices, cka = list(alike.weights(*sides)), _notices(*sides), {}
    try:
        _check_channels(first, second)
        samples = evaluation.images(first.run, "val").samples
        count = min(len(samples), most)
        chosen = np.arange(count) * len(samples) // max(count, 1)
        seen = [
            Side(net=each.judge.net, batches=partial(_batches, each, samples, chosen))
            for each in (first, second)
        ]
        cka = alike.features(seen[0], seen[1], len(chosen))
    except (BadData, BadImage) as bad:
        notices.append(f"features are not compared: {bad}")
        chosen = chosen[:0]
    return {
        "architecture": first.architecture,
        "first": {"title": first.title, "epoch": first.epoch},
        "second": {"title": second.title, "epoch": second.epoch},
        "images": len(chosen),
        "layers": [_row(row, cka) for row in rows],
        "only_first": [name for name in sides[0].layers() if name not in sides[1].layers()],
        "only_second": [name for name in sides[1].layers() if name not in sides[0].layers()],
        "notices": notices,
    }


def _check_channels(first: Given, second: Given) -> None:
    ours, theirs = (each.run.plan.data.channels for each in (first, second))
    if ours != theirs:
        raise BadData(f"images of {first.title} have {ours} channels, {second.title} sees {theirs}")


def _row(row: Alike, cka: dict[str, float | None]) -> dict[str, Any]:
    return {**asdict(row), "cka": cka.get(row.name)}


def _notices(first: Side, second: Side) -> list[str]:
    """Tell of layers whose parameters have other shapes, such as a head of other classes."""
    ours, theirs = first.layers(), second.layers()
    told = []
    for name in alike.shared(first, second):
        shapes = [
            [tuple(parameter.shape) for parameter in each[name].parameters(recurse=False)]
            for each in (ours, theirs)
        ]
        if shapes[0] != shapes[1]:
            told.append(
                f"{name} has other shapes, {shapes[0]} and {shapes[1]}: its parameters are not "
                "compared"
            )
    return told


def _batches(given: Given, samples: Samples, chosen: Indices) -> Iterator[Tensor]:
    tasks = [Task(0, chosen[at : at + _AT_ONCE]) for at in range(0, len(chosen), _AT_ONCE)]
    with Stream(samples, EvalView(given.judge.preprocess), 0) as stream:
        for batch in stream.run(tasks):
            yield normalise(batch.images, given.judge.preprocess)


def _leave(folder: Path, kind: str, why: str) -> None:
    rundir.write_aside(folder / FAULT, json.dumps({"kind": kind, "why": why}).encode())
