"""The evaluator's main: a short-lived process that evaluates the net of a run, without training.

Its directory holds `request.json`: `run_dir`; `model`, a model's file or a checkpoint; `images`,
`val` or `train` of the run, else `path`, `title` and `allow_missing`; `threads`; and `confusion`,
whether the matrix is drawn. Meanwhile `progress.json` says how far it is. It leaves
`result.json`, `verdicts.csv` and perhaps `confusion.png`; or `fault.json`: why, and as `kind`
`data`, `locked` or `model`.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fttrain import evaluation, process
from fttrain.artifacts.export import BadModel
from fttrain.data.labelled import BadData
from fttrain.evaluation import BadRun, Images, Locked, Other, Own, Run
from fttrain.models.tensors import BadWeights
from fttrain.pictures import kinds
from fttrain.pictures.look import Look
from fttrain.results import tables
from fttrain.results.measures import MOST_CLASSES
from fttrain.results.verdicts import Verdicts
from fttrain.spec import rundir

REQUEST = "request.json"
PROGRESS = "progress.json"
RESULT = "result.json"
VERDICTS = "verdicts.csv"
CONFUSION = "confusion.png"
FAULT = "fault.json"
POLITENESS = 15
"""Training on the same cores goes first."""


def main(folder: Path) -> int:
    """Evaluate as one request says; return 0 where a result is there or a fault is told."""
    request = json.loads((folder / REQUEST).read_text())
    try:
        _evaluate(folder, request)
    except BadData as bad:
        _leave(folder, "data", str(bad))
    except Locked as locked:
        _leave(folder, "locked", str(locked))
    except (BadModel, BadRun, BadWeights, OSError) as error:
        _leave(folder, "model", str(error))
    return 0


def _evaluate(folder: Path, request: dict[str, Any]) -> None:
    run = Run.read(Path(request["run_dir"]))
    _step_back(run, request["threads"])
    seen = evaluation.images(run, _wanted(request["images"]))
    _tell(folder, 0, len(seen.samples))
    judge, epoch = evaluation.judge(run, Path(request["model"]))
    found = evaluation.evaluate(run, judge, seen, lambda done, images: _tell(folder, done, images))
    if request["confusion"]:
        _draw(folder, run, found, seen.title)
    names = map(seen.samples.name, found.indices.tolist())
    table = tables.verdicts(found, run.plan.data.classes, names)
    (folder / VERDICTS).write_bytes(table)
    rundir.write_aside(folder / RESULT, json.dumps(_result(run, seen, found, epoch)).encode())


def _step_back(run: Run, threads: int) -> None:
    """Leave cores and accelerators to those who train.

    With as many threads as the run had, figures are the same to the last digit.
    """
    os.nice(POLITENESS)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    process.settle(threads=run.plan.threads if run.is_exact else threads, device="cpu")


def _wanted(given: dict[str, Any] | Own) -> Other | Own:
    return Other(**{**given, "path": Path(given["path"])}) if isinstance(given, dict) else given


def _result(run: Run, seen: Images, found: Verdicts, epoch: int) -> dict[str, Any]:
    told = tables.evaluated(found, run.plan.data.classes, split="val", epoch=epoch)
    return {
        "images": seen.title,
        "epoch": epoch,
        "score": asdict(told.score),
        "classes": [asdict(each) for each in told.classes],
        "left_out": seen.bad,
        "notices": seen.notices,
    }


def _draw(folder: Path, run: Run, found: Verdicts, title: str) -> None:
    if found.classes > MOST_CLASSES:
        raise BadData(f"over {MOST_CLASSES:,} classes there is no confusion matrix")
    told = tables.evaluated(found, run.plan.data.classes, split="val", epoch=0)
    body = tables.confusion(told, found, title=f"{run.card.name} on {title}")
    body["split"] = "labelled"
    (folder / CONFUSION).write_bytes(kinds.draw("confusion", [body], Look()))


def _tell(folder: Path, done: int, images: int) -> None:
    aside = folder / f".{PROGRESS}"
    aside.write_text(json.dumps({"done": done, "images": images}))
    aside.replace(folder / PROGRESS)


def _leave(folder: Path, kind: str, why: str) -> None:
    rundir.write_aside(folder / FAULT, json.dumps({"kind": kind, "why": why}).encode())
