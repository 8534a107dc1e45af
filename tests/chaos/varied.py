"""Recipes at random, tiny, over all that a resumed run must get right."""

from pathlib import Path
from random import Random
from typing import Any

from fttrain.spec.recipe import Recipe
from tests import engine

_OPTIMIZERS: list[Any] = [
    {"sgd": {"lr": 0.05, "momentum": 0.9}},
    {"adamw": {"lr": 0.01}},
    {"sam": {"base": {"sgd": {"lr": 0.05, "momentum": 0.9}}}},
    {"nadam": {"lr": 0.01}},
]
_SCHEDULES: list[Any] = ["cosine", {"one_cycle": {"cycle_momentum": True}}, "constant"]
_CHANGES: list[Any] = [
    ["horizontal_flip", {"color_jitter": {"brightness": 0.4, "hue": 0.1}}],
    ["trivial_augment_wide"],
    [{"random_resized_crop": {"size": 32}}, "horizontal_flip"],
]


def recipe(number: int, chance: Random, photos: Path) -> Recipe:
    """Return a recipe. Of five, one is repeated and one cut short; others draw the rest."""
    train: dict[str, Any] = {
        "seed": chance.randrange(1000),
        "epochs": chance.choice([3, 4]),
        "batch_size": chance.choice([4, 5, 6]),
        "accumulate": chance.choice([1, 1, 2, 3]),
        "optimizer": chance.choice(_OPTIMIZERS),
        "schedule": chance.choice(_SCHEDULES),
        "bn": chance.choice(["eval", "train", "recalibrate"]),
        "precision": chance.choice(["fp32", "fp32", "bf16", "fp16"]),
        "evaluate_first": chance.random() < 0.4,
        "evaluate_every": chance.choice([1, 1, 2]),
        "checkpoint": {
            "epochs": chance.choice([1, 1, 2]),
            "steps": chance.choice([None, 1, 3, 4]),
            "minutes": chance.choice([None, 0.0005]),
        },
    }
    if chance.random() < 0.5:
        train["ema"] = {"decay": 0.9, "every": chance.choice([1, 2])}
    if chance.random() < 0.5:
        train["warmup"] = {"steps": 3}
    if chance.random() < 0.4:
        train["early_stopping"] = {"patience": 1}
    if chance.random() < 0.3:
        train["clip_norm"] = 0.5
    if chance.random() < 0.4:
        train["trains"] = "head"
    if number % 5 == 0:
        train["repeats"] = 2
    if number % 5 == 1:
        train["max_steps"] = chance.randrange(7, 13)
    return engine.parsed(_data(chance, photos), _model(chance), train)


def _model(chance: Random) -> dict[str, Any]:
    return {"cnn": {"channels": [4, 8], "dropout": chance.choice([0.0, 0.3])}}


def _data(chance: Random, photos: Path) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if chance.random() < 0.3:
        data = {"digits": {"labels_per_class": 3}}
    else:
        data = {
            "folder": {"path": str(photos)},
            "preprocess": engine.FRAMED,
            "workers": chance.choice([0, 1, 2]),
            "augment": chance.choice(_CHANGES),
            "repeats": chance.choice([1, 2]),
        }
    if chance.random() < 0.4:
        data["mix"] = [{"mixup": {"alpha": 0.4}}, "cutmix"]
    return data
