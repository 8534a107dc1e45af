"""What is said of a run before its first step."""

from pathlib import Path
from typing import Any

import pytest

from fttrain import outlook
from fttrain.score import wilson
from tests import engine
from tests.photos import make_photo_folder


def about(recipe: Any, word: str) -> list[str]:
    return [notice for notice in engine.planned(recipe).notices if word in notice]


# --- B10: few validation images ---------------------------------------------------------------


def test_few_validation_images_are_noticed_with_what_one_of_them_is_worth() -> None:
    """S2 has 153: a conclusion from 0.9412 to 0.9542 hangs on two of them."""
    low, high = wilson(138, 153)

    assert list(outlook.coarseness(153)) == [
        "validation has 153 images: one of them is 0.65 points of accuracy, and at 90 % the 95 % "
        "interval is about ± 4.8 points wide"
    ]
    assert round(50 * (high - low), 1) == 4.8


@pytest.mark.parametrize("images", [500, 10_000])
def test_many_validation_images_are_not(images: int) -> None:
    assert list(outlook.coarseness(images)) == []


def test_a_plan_has_the_notices_of_its_run(tmp_path: Path) -> None:
    photos = make_photo_folder(tmp_path / "photos", per_class=9, val_per_class=3)
    cosine = {"cosine": {"t_max": 2}}
    recipe = engine.photos(photos, epochs=4, schedule=cosine, warmup={"epochs": 1})

    assert about(recipe, "validation has 6 images")
    assert about(recipe, "the warm-up takes 1 of 4 epochs, 25 % of the run")
    assert about(engine.photos(photos, epochs=4, schedule=cosine), "rises again, to")


# --- numbers ----------------------------------------------------------------------------------


def test_a_plan_looks_ahead_at_rates_and_work(tmp_path: Path) -> None:
    photos = make_photo_folder(tmp_path / "photos", per_class=9, val_per_class=3)
    groups = [{"select": "head"}, {"select": "first:2", "lr": 0.005}]

    made = engine.planned(engine.photos(photos, epochs=3, max_steps=12, groups=groups))

    (rates,) = made.rates
    assert rates.steps == [0, 5, 10, 11]
    assert [(curve.group, curve.lr[0]) for curve in rates.curves] == [
        ("head", 0.05), ("first:2", 0.005),
    ]  # fmt: skip
    # Two 3x3 convolutions at 32 and 16 pixels, and the head.
    assert made.macs == 9 * 3 * 4 * 32**2 + 9 * 4 * 8 * 16**2 + 8 * 2
