"""With every word of chance and precision on, a run depends on its recipe alone."""

from pathlib import Path
from typing import Any

import pytest

from fttrain.events import EpochEnded, Steps
from fttrain.models import tensors
from fttrain.spec import rundir
from fttrain.spec.recipe import Recipe
from tests import engine
from tests.photos import make_photo_folder

ALL: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 5,
    "accumulate": 2,
    "precision": "bf16",
    "clip_norm": 0.5,
    "clip_value": 0.1,
    "ema": {"decay": 0.9, "every": 2},
    "warmup": {"epochs": 1},
    "evaluate_every": 2,
    "optimizer": {"sam": {"rho": 0.05, "base": {"adamw": {"lr": 0.01}}}},
}
CHANGED: list[Any] = [
    {"random_resized_crop": {"size": 32}},
    "horizontal_flip",
    {"color_jitter": {"brightness": 0.4, "hue": 0.1}},
    "trivial_augment_wide",
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """18 photos: batches of 5 are odd, and so is the one of 3 that they leave."""
    root = tmp_path_factory.mktemp("everything") / "photos"
    return make_photo_folder(root, per_class=9, val_per_class=3)


def recipe(root: Path, *, workers: int, bn: str) -> Recipe:
    data = {
        "folder": {"path": str(root)},
        "preprocess": engine.FRAMED,
        "augment": CHANGED,
        "mix": [{"mixup": {"alpha": 0.4}}, "cutmix"],
        "repeats": 2,
        "workers": workers,
    }
    return engine.parsed(data, {"cnn": {"channels": [4, 8], "dropout": 0.5}}, {**ALL, "bn": bn})


def told(folder: Path, chosen: Recipe) -> tuple[list[Any], list[Any]]:
    records = engine.trained(folder, chosen)
    losses = [loss for r in records if isinstance(r, Steps) for loss in r.losses]
    return losses, [(r.train, r.val) for r in records if isinstance(r, EpochEnded)]


@pytest.mark.parametrize("bn", ["train", "recalibrate"])
def test_a_run_does_not_depend_on_who_loads_its_images(
    tmp_path: Path, photos: Path, bn: str
) -> None:
    ways = {"first": 0, "again": 0, "one": 1, "three": 3}
    runs = {
        name: told(tmp_path / name, recipe(photos, workers=workers, bn=bn))
        for name, workers in ways.items()
    }

    first = tensors.read(tmp_path / "first" / rundir.LAST).tensors
    assert len(runs["first"][0]) == 6
    assert any(name.startswith("live/") for name in first)
    for name, run in runs.items():
        assert run == runs["first"], name
        other = tensors.read(tmp_path / name / rundir.LAST).tensors
        assert first.keys() == other.keys()
        assert all(other[key].equal(value) for key, value in first.items()), name
