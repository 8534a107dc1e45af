"""Learning rates ahead of a run, and what is odd about them."""

from itertools import pairwise
from typing import Any

import pytest

from fttrain import preview
from fttrain.optim import schedules
from fttrain.optim.schedules import Course
from fttrain.spec.plan import GroupCard
from fttrain.spec.schedules import Schedule, Warmup


def course(schedule: Any, *, epochs: int, per_epoch: int = 10, warmup: Any = None) -> Course:
    return Course(
        schedule=Schedule.model_validate(schedule),
        warmup=Warmup.model_validate(warmup) if warmup else None,
        epochs=epochs,
        steps_per_epoch=per_epoch,
    )


def group(name: str, lr: float) -> GroupCard:
    return GroupCard(name=name, tensors=1, parameters=1, lr=lr, weight_decay=0, names=[name])


def told(schedule: Any, *, epochs: int, steps: int | None = None, **more: Any) -> list[str]:
    made = course(schedule, epochs=epochs, **more)
    return list(preview.notices(made, 0.1, steps or made.steps))


# --- numbers ----------------------------------------------------------------------------------


def test_each_point_is_the_rate_of_its_step_for_each_rate_of_the_groups() -> None:
    made = course("cosine", epochs=5)
    groups = [group("head", 0.1), group("layer4", 0.01), group("layer4 (norms)", 0.01)]

    seen = preview.rates(made, groups, made.steps)

    assert seen.steps == [0, 10, 20, 30, 40, 49]
    assert [curve.group for curve in seen.curves] == ["head", "layer4"]
    for curve, base in zip(seen.curves, (0.1, 0.01), strict=True):
        assert curve.lr == [schedules.lr(base, step, made) for step in seen.steps]


def test_a_rate_that_moves_by_steps_is_looked_up_several_times_an_epoch() -> None:
    made = course({"cosine": {"by": "step"}}, epochs=3, per_epoch=8)
    assert preview.rates(made, [group("all", 1.0)], 24).steps == [*range(0, 24, 2), 23]


@pytest.mark.parametrize(
    ("epochs", "per_epoch", "steps"), [(600, 10_000, 6_000_000), (1, 1, 1), (2, 1, 2), (90, 7, 33)]
)
def test_points_are_few_and_hold_the_first_and_the_last_step(
    epochs: int, per_epoch: int, steps: int
) -> None:
    made = course({"one_cycle": {}}, epochs=epochs, per_epoch=per_epoch)

    seen = preview.rates(made, [group("all", 1.0)], steps, begin=100)

    assert (seen.steps[0], seen.steps[-1]) == (100, 100 + steps - 1)
    assert len(seen.steps) <= 97
    assert all(before < after for before, after in pairwise(seen.steps))


def test_of_many_rates_the_highest_the_lowest_and_some_between_are_shown() -> None:
    made = course("constant", epochs=1)
    groups = [group(f"block{number}", 0.9**number) for number in range(20)]

    seen = preview.rates(made, groups, made.steps)

    assert len(seen.curves) == 8
    assert (seen.curves[0].group, seen.curves[-1].group) == ("block0", "block19")


# --- B6: a rate that rises back ---------------------------------------------------------------


def test_a_cosine_that_ends_before_the_run_is_said_to_rise_again() -> None:
    assert told({"cosine": {"t_max": 7, "eta_min": 1e-4}}, epochs=15) == [
        "the learning rate falls to 0.0001 at epoch 8 and rises again, to 0.1 at epoch 15: the "
        "half wave of a cosine of t_max 7 ends there; leave t_max out, and it falls to the end of "
        "the run"
    ]


def test_the_rise_is_the_schedule_s_own() -> None:
    made = course({"cosine": {"t_max": 4}}, epochs=7, warmup={"epochs": 1})
    epochs = [schedules.lr(0.1, epoch * 10, made) for epoch in range(7)]

    (notice,) = preview.notices(made, 0.1, made.steps)

    assert epochs.index(min(epochs[1:])) == 5
    assert epochs[6] == max(epochs[5:])
    assert (
        f"falls to {epochs[5]:.3g} at epoch 6 and rises again, to {epochs[6]:.3g} at epoch 7"
        in (notice)
    )


@pytest.mark.parametrize(
    ("schedule", "epochs", "steps"),
    [
        ("cosine", 15, 150),
        ({"cosine": {"t_max": 15}}, 15, 150),
        ({"cosine": {"t_max": 14}}, 15, 150),
        ({"cosine": {"t_max": 7}}, 15, 80),  # max_steps ends the run before
        ({"cosine": {"t_max": 149, "by": "step"}}, 15, 150),
        ({"warm_restarts": {"t_0": 5}}, 15, 150),
        ({"step": {"every": 5}}, 15, 150),
    ],
)
def test_a_rate_that_is_meant_to_rise_or_never_does_is_not_noticed(
    schedule: Any, epochs: int, steps: int
) -> None:
    assert told(schedule, epochs=epochs, steps=steps) == []


def test_a_rise_is_found_by_steps_too() -> None:
    (notice,) = told({"cosine": {"t_max": 40, "by": "step"}}, epochs=15)
    assert "at step 41 and rises again, to 0.1 at step 81" in notice


# --- B8: a long warm-up -----------------------------------------------------------------------


def test_a_warm_up_of_half_the_run_is_noticed() -> None:
    assert told("cosine", epochs=10, warmup={"epochs": 5}) == [
        "the warm-up takes 5 of 10 epochs, 50 % of the run: that much of it trains below the full "
        "learning rate"
    ]
    assert told("cosine", epochs=10, warmup={"steps": 24}) == []
