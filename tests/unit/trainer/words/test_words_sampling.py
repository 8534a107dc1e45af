"""Which images an epoch sees."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import SGD
from torch.utils.data import WeightedRandomSampler

from fttrain.data.order import epoch_order, weighted_order
from fttrain.spec import rundir
from fttrain.spec.recipe import Recipe
from fttrain.state import checkpoint
from tests import byhand, engine
from tests.photos import make_photo_folder

LABELS = np.array([0] * 30 + [1] * 12 + [2] * 6)
BALANCED = np.array([1 / 30, 1 / 12, 1 / 6])
EPOCHS = 400


def drawn(weights: Any, seed: int = 0) -> np.ndarray[Any, Any]:
    """Return how often each image is drawn over many epochs."""
    orders = [weighted_order(np.asarray(weights)[LABELS], seed, epoch) for epoch in range(EPOCHS)]
    assert all(len(order) == len(LABELS) for order in orders)
    return np.bincount(np.concatenate(orders), minlength=len(LABELS))


def chi_squared(seen: Any, expected: Any) -> float:
    return float(((seen - expected) ** 2 / expected).sum())


@pytest.mark.word("data.sampling", "data.sampling.weighted", "data.sampling.weighted.weights")
@pytest.mark.parametrize("weights", [BALANCED, [1.0, 2.0, 0.5]], ids=["balanced", "stated"])
def test_images_are_drawn_as_often_as_their_weight(weights: Any) -> None:
    per_image = np.asarray(weights)[LABELS]
    expected = per_image / per_image.sum() * len(LABELS) * EPOCHS
    # Chi-squared of 47 degrees of freedom lies above 83 once in a thousand times.
    assert chi_squared(drawn(weights), expected) < 83


def test_balanced_draws_classes_alike_as_torchs_sampler_does() -> None:
    per_image = BALANCED[LABELS]
    sampler = WeightedRandomSampler(
        per_image.tolist(), len(LABELS) * EPOCHS, generator=torch.Generator().manual_seed(0)
    )
    theirs = np.bincount(LABELS[list(sampler)], minlength=3)
    mine = np.bincount(LABELS, weights=drawn(BALANCED), minlength=3)

    expected = len(LABELS) * EPOCHS / 3
    # Chi-squared of 2 degrees of freedom lies above 13.8 once in a thousand times.
    assert chi_squared(mine, expected) < 13.8
    assert chi_squared(theirs, expected) < 13.8
    # Of two samples alike: the homogeneity of a 2 x 3 table.
    both = (mine + theirs) / 2
    assert chi_squared(mine, both) + chi_squared(theirs, both) < 13.8


def test_what_is_drawn_depends_on_weights_seed_and_epoch_alone() -> None:
    weights = BALANCED[LABELS]
    first = weighted_order(weights, 3, 5)
    np.random.seed(1)
    np.testing.assert_array_equal(weighted_order(weights, 3, 5), first)
    for seed, epoch in [(3, 6), (4, 5)]:
        assert not np.array_equal(weighted_order(weights, seed, epoch), first)
    assert weighted_order(np.array([1.0, 1.0, 8.0]), 0, 1).tolist() == [1, 1, 2]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """6 circles and 2 squares to train on."""
    root = make_photo_folder(tmp_path / "photos", per_class=6)
    for extra in sorted((root / "train" / "squares").iterdir())[2:]:
        extra.unlink()
    return root


def recipe(root: Path, sampling: Any) -> Recipe:
    chosen = engine.photos(root, {"cnn": {"channels": [4, 8]}})
    body = chosen.model_dump(mode="json", exclude_none=True)
    return engine.parsed({**body["data"], "sampling": sampling}, body["model"], body["train"])


@pytest.mark.word("data.sampling.shuffled")
def test_every_image_is_seen_once_unless_the_recipe_says_otherwise(photos: Path) -> None:
    plain = engine.photos(photos, {"cnn": {"channels": [4, 8]}})
    assert plain == recipe(photos, "shuffled")
    assert engine.planned(plain).sampling_weights == []
    assert sorted(epoch_order(8, 0, 1).tolist()) == list(range(8))


def test_the_plan_says_what_classes_weigh(photos: Path) -> None:
    def weights(sampling: Any) -> list[float]:
        return engine.planned(recipe(photos, sampling)).sampling_weights

    assert engine.notices(recipe(photos, {"weighted": {"weights": {"squares": 5.0}}})) == [
        "images are drawn with replacement: circles 37.5 %, squares 62.5 %"
    ]
    assert weights("weighted") == [1 / 6, 1 / 2]
    assert weights({"weighted": {"weights": "balanced"}}) == [1 / 6, 1 / 2]
    assert weights({"weighted": {"weights": {"squares": 5.0}}}) == [1.0, 5.0]


def test_a_class_that_is_not_there_is_a_fault(photos: Path) -> None:
    assert engine.refused(recipe(photos, {"weighted": {"weights": {"square": 5.0}}})) == {
        "data.sampling.weighted.weights.square": "there is no class `square`; did you mean "
        "`squares`?"
    }


def test_a_run_trains_on_what_was_drawn(photos: Path, tmp_path: Path) -> None:
    chosen = recipe(photos, {"weighted": {"weights": {"squares": 5.0}}})
    trial = byhand.prepared(chosen)

    engine.trained(tmp_path / "run", chosen)
    byhand.plain(trial, SGD(trial.net.parameters(), lr=0.05, momentum=0.9, foreach=True))

    whole, _ = checkpoint.read(tmp_path / "run" / rundir.LAST)
    assert all(torch.equal(whole[name], value) for name, value in trial.net.state_dict().items())
