"""The predictor's main: a short-lived process that asks a model of a few images.

Its directory holds `request.json` (model, images in order, threads); it leaves a line in
`answers.jsonl` for each image, and `fault.json` where it came no further: the place of the image,
from 0, and why; or the model and why.
"""

import json
import os
from pathlib import Path

import torch

from fttrain import predict
from fttrain.artifacts.export import BadModel
from fttrain.data.decode import BadImage
from fttrain.predict import Prediction, Trained
from fttrain.spec import rundir

REQUEST = "request.json"
ANSWERS = "answers.jsonl"
FAULT = "fault.json"
TOP = 5
"""How many classes an answer names at most."""
POLITENESS = 15
"""Training on the same cores goes first: at this niceness a predictor gets a thirtieth of a core
that somebody else wants, and all of one that nobody does."""


def main(folder: Path) -> int:
    """Answer one request; return 0 where every image is answered or a fault is told."""
    request = json.loads((folder / REQUEST).read_text())
    _step_back(request["threads"])
    images = [folder / name for name in request["images"]]
    try:
        _answer(predict.read(Path(request["model"])), images, folder / ANSWERS)
    except (predict.NoModel, BadModel) as bad:
        _leave(folder, {"model": str(bad)})
    except BadImage as bad:
        _leave(folder, {"image": images.index(bad.path), "why": bad.why})
    return 0


def _step_back(threads: int) -> None:
    """Leave cores and accelerators to those who train."""
    os.nice(POLITENESS)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(threads)


def _answer(trained: Trained, images: list[Path], answers: Path) -> None:
    with answers.open("w") as file:
        for seen in predict.ask(trained, images):
            file.write(json.dumps(_told(seen, trained.card.classes)) + "\n")


def _told(seen: Prediction, classes: tuple[str, ...]) -> dict[str, object]:
    # Of classes that are equally likely the first one is the label: the order is kept.
    ranked = sorted(zip(seen.scores, classes, strict=True), key=lambda pair: -pair[0])[:TOP]
    return {
        "label": seen.label,
        "probability": seen.probability,
        "top": [[label, probability] for probability, label in ranked],
    }


def _leave(folder: Path, fault: dict[str, object]) -> None:
    rundir.write_aside(folder / FAULT, json.dumps(fault).encode())
