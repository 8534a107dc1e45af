"""The card of a plan says what happens to training images."""

from typing import Any

import pytest
from rich.console import Console

from ftctl.view import plan

STEPS = {"resize": 256, "crop": 224, "interpolation": "bilinear"}
PLAN: dict[str, Any] = {
    "data": {
        "train": {"images": 8, "per_class": [4, 4]},
        "val": {"images": 2, "per_class": [1, 1]},
        "classes": ["ants", "bees"],
    },
    "parameters": 100,
    "parameters_trained": 100,
    "weights": {"source": "none", "tensors_loaded": 0, "tensors_new": [], "head": "new"},
    "preprocess": {"steps": STEPS, "origin": "recipe"},
    "groups": [],
    "prefix": [],
    "chunk": 16,
    "batch_norm_eval": 0,
    "batch_size": 4,
    "accumulate": 1,
    "epochs": 2,
    "steps_per_epoch": 2,
    "steps": 4,
    "threads": 1,
    "loader_workers": 1,
    "device": "cpu",
    "precision": "fp32",
    "layout": "channels_last",
    "notices": [],
}


def lines(data: dict[str, Any], **train: Any) -> list[str]:
    recipe = {"data": data, "model": {"name": "resnet18"}, "train": train}
    card = plan.card(PLAN, recipe, Console(width=200))
    return [line.plain.strip() for line in card]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            {"augment": [{"random_resized_crop": {"size": 176, "p": 1.0}}, "horizontal_flip"]},
            ["changes   random_resized_crop 176, horizontal_flip"],
        ),
        (
            {"mix": [{"mixup": {"alpha": 0.2}}, {"cutmix": None}], "repeats": 4},
            ["changes   each image 4 times in a row", "batches mixed by mixup or cutmix"],
        ),
    ],
)
def test_changes_of_training_images_are_told(data: dict[str, Any], expected: list[str]) -> None:
    told = lines(data)

    for line in expected:
        assert line in told


def test_without_changes_nothing_is_said() -> None:
    assert not [line for line in lines({"augment": [], "mix": [], "repeats": 1}) if "chang" in line]


def test_what_a_stage_says_of_changes_is_told_beside_those_of_the_data() -> None:
    own: list[dict[str, Any]] = [{"augment": [{"random_crop": {"size": 28}}]}, {"augment": []}]
    told = lines({"augment": ["horizontal_flip"]}, stages=[{"epochs": 1}, *own])

    at = told.index("changes   horizontal_flip")
    assert told[at + 1 : at + 3] == ["stage 2: random_crop 28", "stage 3: none"]
