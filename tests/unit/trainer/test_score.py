"""Every accuracy has an interval."""

import math

import pytest

from fttrain.events import Score
from fttrain.score import Tally, wilson


@pytest.mark.parametrize(
    ("correct", "count", "low", "high"),
    [
        (144, 153, 0.892, 0.969),
        (147, 153, 0.917, 0.982),
        (0, 10, 0.0, 0.278),
        (10, 10, 0.722, 1.0),
        (1, 1, 0.207, 1.0),
    ],
)
def test_the_interval_is_wilsons(correct: int, count: int, low: float, high: float) -> None:
    assert wilson(correct, count) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.parametrize("count", [1, 3, 153, 100_000])
def test_the_interval_lies_within_0_and_1_and_holds_the_share(count: int) -> None:
    for correct in {0, 1, count // 2, count - 1, count}:
        low, high = wilson(correct, count)
        assert 0.0 <= low <= correct / count <= high <= 1.0


def test_a_tally_weighs_by_images() -> None:
    tally = Tally()
    tally.add(loss_sum=4.0, correct=3, count=4)
    tally.add(loss_sum=2.0, correct=0, count=1)
    assert tally.score() == Score(
        loss=1.2,
        accuracy=0.6,
        correct=3,
        count=5,
        accuracy_low=wilson(3, 5)[0],
        accuracy_high=wilson(3, 5)[1],
    )
    assert math.isclose(tally.loss, 1.2)
