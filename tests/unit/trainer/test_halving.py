"""Where memory ran out, a step is computed in more passes; it sees the same images."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from fttrain.events import EpochEnded, Record, Steps
from fttrain.models import tensors
from fttrain.spec import halving, rundir
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from tests import engine

NO_NORM = ["type:Conv2d", "head"]
"""What trains where BatchNorm does not."""


def recipe(**train: object) -> Recipe:
    """Return a recipe whose batches of 5 leave one of another size."""
    words = {"batch_size": 5, "accumulate": 2, "trains": NO_NORM, **train}
    return engine.digits(**words)


def times(plan: Plan, count: int) -> Plan:
    for _ in range(count):
        smaller = halving.halved(plan)
        assert smaller is not None
        plan = smaller
    return plan


def test_batches_are_halved_until_one_image_is_left() -> None:
    plan: Plan | None = engine.planned(recipe())
    sizes = []
    while plan is not None:
        sizes.append((plan.batch_size, halving.images_per_pass(plan), plan.accumulate, plan.chunk))
        plan = halving.halved(plan)

    assert sizes == [(5, 5, 2, 16), (5, 3, 2, 8), (5, 2, 2, 4), (5, 1, 2, 2), (5, 1, 2, 1)]


def test_batch_norm_keeps_two_images_of_a_pass() -> None:
    plan = times(engine.planned(recipe(trains="all")), 4)

    assert (halving.images_per_pass(plan), plan.chunk) == (2, 1)
    assert halving.halved(plan) is None


def test_what_differs_is_said() -> None:
    plain, normed = engine.planned(recipe()), engine.planned(recipe(trains="all"))

    assert halving.difference(times(plain, 1)) == (
        "batches of 5 in passes of 3 after memory ran out: sums are rounded otherwise"
    )
    assert halving.difference(times(normed, 1)) == (
        "batches of 5 in passes of 3 after memory ran out: BatchNorm sees smaller batches"
    )


@pytest.mark.word("train.out_of_memory")
@pytest.mark.parametrize("halvings", [1, 2, 3])
def test_without_batch_norm_the_steps_are_the_same_but_for_rounding(
    tmp_path: Path, halvings: int
) -> None:
    chosen = recipe()
    plan = engine.planned(chosen)
    whole = engine.trained(tmp_path / "whole", chosen, plan)
    parted = engine.trained(tmp_path / "parted", chosen, times(plan, halvings))

    for first, second in zip(epochs(whole), epochs(parted), strict=True):
        assert first.step == second.step
        assert first.train is not None
        assert second.train is not None
        assert first.train.count == second.train.count
        assert first.train.loss == pytest.approx(second.train.loss, rel=1e-4)
    one, other = (
        tensors.read(tmp_path / each / rundir.LAST).tensors for each in ("whole", "parted")
    )
    weights = [name for name in one if name.endswith("weight")]
    assert weights
    for name in weights:
        torch.testing.assert_close(one[name], other[name], rtol=1e-3, atol=1e-4)


def test_with_batch_norm_no_pass_has_one_image(tmp_path: Path) -> None:
    chosen = recipe(trains="all", batch_size=3)
    records = engine.trained(tmp_path / "run", chosen, times(engine.planned(chosen), 1))

    # Passes of 2: a batch of 3 stays whole, as one image has no spread.
    assert all(isinstance(loss, float) for each in steps(records) for loss in each.losses)


def epochs(records: Sequence[Record]) -> list[EpochEnded]:
    return [record for record in records if isinstance(record, EpochEnded)]


def steps(records: Sequence[Record]) -> list[Steps]:
    return [record for record in records if isinstance(record, Steps)]
