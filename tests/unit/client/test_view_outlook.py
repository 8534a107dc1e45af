"""The card of a plan looks ahead: work, rates, and how the weights were made."""

import math
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from ftctl.view import outlook

CARD = {
    "origin": "weights resnet50 IMAGENET1K_V2",
    "facts": ["80.858 % right on ImageNet-1K", "25,557,032 parameters, 1,000 classes"],
    "sources": ["https://github.com/pytorch/vision/issues/3995", "https://example.org/train.py"],
    "rows": [
        {"name": "optimizer", "weights": "sgd", "recipe": "sgd", "verdict": "same"},
        {"name": "images per step", "weights": "1024", "recipe": "64", "verdict": "different"},
        {
            "name": "augmentation",
            "weights": "random_resized_crop 176, horizontal_flip, trivial_augment_wide",
            "recipe": "none",
            "verdict": "different",
        },
        {"name": "epochs", "weights": "600", "recipe": "600", "verdict": "same"},
        {"name": "mix", "weights": "not stated", "recipe": "none", "verdict": "not stated"},
    ],
}


def plan(values: list[float], *, steps: list[int] | None = None, **more: Any) -> dict[str, Any]:
    at = steps or [10 * place for place in range(len(values))]
    curves = [{"group": "head", "lr": values}]
    return {
        "rates": [{"steps": at, "curves": curves}],
        "steps": at[-1] + 1,
        "steps_per_epoch": 10,
        **more,
    }


def drawn(lines: list[Text], columns: int = 200) -> list[str]:
    console = Console(width=columns, color_system=None)
    with console.capture() as seen:
        for line in lines:
            console.print(line, no_wrap=True, overflow="ignore", crop=False)
    return [line.rstrip() for line in seen.get().splitlines()]


# --- how the weights were made ----------------------------------------------------------------


def test_each_difference_has_a_row_and_the_rest_a_line() -> None:
    assert drawn(outlook.consistency({"consistency": CARD}, 69)) == [
        "weights resnet50 IMAGENET1K_V2, 80.858 % right on ImageNet-1K",
        "   setting          the weights            here",
        "≠  images per step  1024                   64",
        "≠  augmentation     random_resized_crop    none",
        "                    176, horizontal_flip,",
        "                    trivial_augment_wide",
        "= same: optimizer, epochs",
        "? not stated: mix",
        "https://github.com/pytorch/vision/issues/3995",
    ]


def test_no_cell_is_broken_in_a_pipe() -> None:
    told = drawn(outlook.consistency({"consistency": CARD}, None))
    assert any("random_resized_crop 176, horizontal_flip, trivial_augment_wide" in t for t in told)


def test_a_recipe_that_differs_in_nothing_says_so() -> None:
    same = [row for row in CARD["rows"] if row["verdict"] == "same"]  # type: ignore[index]
    told = drawn(outlook.consistency({"consistency": {**CARD, "rows": same}}, 69))
    assert told[1] == "no setting is known to differ"


@pytest.mark.parametrize("made", [{}, {"consistency": None}])
def test_a_plan_without_a_card_has_no_lines(made: dict[str, Any]) -> None:
    assert outlook.consistency(made, 69) == []
    assert outlook.rates(made, 69) == []
    assert outlook.work(made) == []


# --- how rates go -----------------------------------------------------------------------------


def test_a_rate_that_rises_back_is_seen_and_its_least_is_named() -> None:
    values = [0.1 * (1 + math.cos(math.pi * place / 4)) / 2 + 0.01 for place in range(9)]
    assert drawn(outlook.rates(plan(values), 69)) == [
        "head  0.11  █▇▅▂▁▂▅▇█  0.11  least 0.01 at epoch 5"
    ]


def test_a_rate_over_decades_is_drawn_by_its_logarithm() -> None:
    (told,) = drawn(outlook.rates(plan([0.1, 0.01, 0.001, 0.0001]), 69))
    assert told == "head  0.1  █▆▃▁  0.0001  log scale"


def test_a_rate_that_stays_is_a_plain_line() -> None:
    assert drawn(outlook.rates(plan([0.05] * 4), 69)) == ["head  0.05  ▄▄▄▄"]


def layered(count: int) -> dict[str, Any]:
    """A rate for each depth of a net, all along one course."""
    course = [0.01, *[1 - place / 60 for place in range(60)]]
    curves = [
        {"group": f"all (depth {depth})", "lr": [0.001 * 0.75**depth * share for share in course]}
        for depth in range(count)
    ]
    stage = {"first_step": 1, "steps": 610, "first_epoch": 1, "steps_per_epoch": 10}
    preview = {"steps": [10 * place for place in range(61)], "curves": curves}
    return {"rates": [preview, preview], "stages": [stage, {**stage, "first_step": 611}]}


def test_a_curve_leaves_room_for_where_it_ends() -> None:
    told = outlook.rates(layered(3), 69)
    assert max(line.cell_len for line in told) <= 69
    assert drawn(told)[4].startswith("stage 1 all (depth 2)")


def test_of_many_rates_that_go_alike_the_highest_and_the_lowest_are_drawn() -> None:
    told = [line for line in drawn(outlook.rates(layered(8), 69)) if line.startswith("stage 1")]
    assert [line.partition(")")[0] for line in told] == [
        "stage 1 all (depth 0", "stage 1 all (depth 7",
    ]  # fmt: skip


def test_rates_that_go_another_way_are_all_drawn() -> None:
    found = layered(8)
    found["rates"][0]["curves"][3]["lr"] = [0.001] * 61
    told = [line for line in drawn(outlook.rates(found, 69)) if line.startswith("stage 1")]
    assert len(told) == 8


def test_a_rate_that_ends_at_its_most_has_no_remark_of_that() -> None:
    assert drawn(outlook.rates(plan([0.01, 0.05, 0.1]), 69)) == ["head  0.01  ▁▄█  0.1"]


def test_a_curve_leaves_room_for_a_short_remark() -> None:
    values = [0.1 * 0.9**place for place in range(60)]
    (told,) = drawn(outlook.rates(plan(values), 50), 50)
    assert told.endswith("log scale")
    assert 45 < len(told) <= 50

    (told,) = drawn(outlook.rates(plan(values[:40:4]), 42), 42)
    assert told.endswith("  log scale")


def test_where_there_is_no_room_a_remark_goes_below() -> None:
    values = [0.01, *[0.1 - 0.001 * place for place in range(60)]]
    told = drawn(outlook.rates(plan(values), 46), 46)

    assert told[1] == "  most 0.1 at epoch 2"
    assert all(len(line) <= 69 for line in told)


def test_stages_are_told_apart_and_their_epochs_counted_on() -> None:
    first = {"steps": [0, 10, 19], "curves": [{"group": "head", "lr": [0.1, 0.1, 0.1]}]}
    second = {
        "steps": [20, 30, 40, 49],
        "curves": [{"group": "all", "lr": [0.01, 0.03, 0.02, 0.01]}],
    }
    stages = [
        {"first_step": 1, "steps": 20, "first_epoch": 1, "steps_per_epoch": 10},
        {"first_step": 21, "steps": 30, "first_epoch": 3, "steps_per_epoch": 10},
    ]

    told = drawn(outlook.rates({"rates": [first, second], "stages": stages}, 100))

    assert told == [
        "stage 1 head   0.1  ▄▄▄",
        "stage 2 all   0.01  ▁█▅▁  0.01  most 0.03 at epoch 4",
    ]


def test_all_points_are_looked_at_however_few_columns_there_are() -> None:
    values = [1.0] * 90 + [0.0] * 6
    assert outlook.sparkline(values, 8) == "█" * 7 + "▅"


# --- work -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "told"),
    [(1_814_073_344, "1.81 billion"), (299_496_832, "299 million"), (640, "640"),
     (2 * 10**12, "2 trillion")],
)  # fmt: skip
def test_large_numbers_are_told_in_words(number: int, told: str) -> None:
    assert outlook.amount(number) == told


def test_work_is_arithmetic_and_what_a_batch_keeps() -> None:
    assert outlook.work({"macs": 1_814_073_344, "activation_bytes": 2**20}) == [
        "1.81 billion multiply-accumulates an image, a batch keeps 1.0 MB of activations to train"
    ]
