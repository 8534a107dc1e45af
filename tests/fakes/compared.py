"""Runs as they are compared, made up: recipes, plans, epochs and verdicts."""

import copy
from typing import Any

from ftctl import statistics
from ftctl.comparison import run
from ftctl.comparison.run import Run
from ftctl.comparison.verdicts import Verdicts

RECIPE: dict[str, Any] = {
    "data": {
        "folder": {"path": "/photos/ants", "train": "train", "val": "val"},
        "augment": [{"horizontal_flip": {"p": 0.5}}],
        "sampling": {"shuffled": {}},
    },
    "model": {"name": "mobilenet_v2", "weights": "IMAGENET1K_V1", "head": "auto"},
    "train": {
        "seed": 0, "repeats": 1, "epochs": 3, "batch_size": 4, "trains": ["all"], "groups": [],
        "optimizer": {
            "sgd": {"lr": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0}
        },
        "schedule": {"constant": {}},
        "checkpoint": {"epochs": 1, "keep": 2},
    },
    "outputs": ["curves"],
}  # fmt: skip
PLAN: dict[str, Any] = {
    "device": "cpu", "threads": 1, "epochs": 3, "repeats": 1,
    "parameters": 2_226_434, "parameters_trained": 2_562,
    "environment": {"torch": "2.15", "accelerator": ""},
    "data": {"split_digest": "ab" * 32, "train": {"images": 245}, "val": {"images": 153}},
    "weights": {"sha256": "cd" * 32},
    "preprocess": {"steps": {"resize": 256, "crop": 224}},
}  # fmt: skip


def changed(nested: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy in which paths such as `train.seed` have other values; None: are not there."""
    made = copy.deepcopy(nested)
    for path, value in changes.items():
        *above, last = path.split(".")
        section = made
        for key in above:
            section = section.setdefault(key, {})
        if value is None:
            section.pop(last, None)
        else:
            section[last] = value
    return made


def score(correct: int, count: int = 153, loss: float = 0.5) -> dict[str, Any]:
    low, high = statistics.wilson(correct, count)
    return {
        "loss": loss, "accuracy": correct / count, "correct": correct, "count": count,
        "accuracy_low": low, "accuracy_high": high,
    }  # fmt: skip


def epoch(number: int, correct: int, *, repeat: int = 0, loss: float = 0.5) -> dict[str, Any]:
    return {
        "epoch": number, "step": 62 * number, "train": score(200, 245, loss + 0.1),
        "val": score(correct, loss=loss), "lrs": [0.1], "images_per_second": 90.0,
        "memory_bytes": 400_000_000 + number, "seconds": 2.0, "best": False, "repeat": repeat,
    }  # fmt: skip


def told(
    name: str = "ants",
    *,
    recipe: dict[str, Any] | None = None,
    plan: dict[str, Any] | None = None,
    epochs: list[dict[str, Any]] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Return a job as `ftctl get -o json` has it; changes to recipe and plan by path."""
    return {
        "id": name.encode().hex().ljust(32, "0")[:32], "name": name, "user": "ann",
        "state": "succeeded", "outcome": None, "evaluations": [],
        "recipe": changed(RECIPE, recipe or {}), "plan": changed(PLAN, plan or {}),
        "epochs": epochs if epochs is not None else [epoch(1, 140), epoch(2, 144), epoch(3, 139)],
        "attempts": [
            {"number": 1, "start_time": "2026-01-01T10:00:00.000Z",
             "end_time": "2026-01-01T10:00:31.500Z"}
        ],
        **fields,
    }  # fmt: skip


def verdicts(right: str) -> Verdicts:
    """Return verdicts on images of which `1` was judged rightly and `0` wrongly."""
    count = len(right)
    return Verdicts(
        images=tuple(f"val/{place}.jpg" for place in range(count)),
        labels=("ant",) * count,
        predicted=tuple("ant" if each == "1" else "bee" for each in right),
        confidence=(0.75,) * count,
    )


def made(name: str = "ants", *, right: str = "", silence: str = "", **words: Any) -> Run:
    """Return a run; see `told`."""
    known = verdicts(right) if right else None
    why = silence or ("" if right else "left no table of verdicts (table/verdicts)")
    return run.read(told(name, **words), verdicts=known, silence=why)
