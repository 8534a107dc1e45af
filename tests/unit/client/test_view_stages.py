"""The card of a plan in stages: a group table for each, and what they have in common once."""

from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from ftctl.plans import Plan
from ftctl.view import stages


def stage(first: int, epochs: int, *names: str, **more: Any) -> dict[str, Any]:
    groups = [
        {"name": name, "tensors": 2, "parameters": 2562, "lr": 0.01, "weight_decay": 0.0}
        for name in names
    ]
    facts = {
        "first_epoch": first, "epochs": epochs, "steps": 61 * epochs, "steps_per_epoch": 61,
        "parameters_trained": 2562 * len(names), "groups": groups, "prefix": [],
        "batch_norm_eval": 0, "optimizer_state": "reset",
    }  # fmt: skip
    return {**facts, **more}


STAGES = [
    stage(1, 3, "head", prefix=["features[0]", "pool"], batch_norm_eval=52),
    stage(4, 1, "head", "last:2", batch_norm_eval=40, optimizer_state="keep"),
    stage(5, 0, "all"),
]
PLAN = {"stages": STAGES, "epochs": 4, "steps": 244, "steps_per_epoch": 61, "chunk": 16}


def drawn(lines: list[Text]) -> list[str]:
    console = Console(width=200, color_system=None)
    with console.capture() as seen:
        for line in lines:
            console.print(line, no_wrap=True)
    return [line.rstrip() for line in seen.get().splitlines()]


def rows(card: Any) -> list[Text]:
    return [Text(group["name"]) for group in card["groups"]]


def test_each_stage_has_its_own_table_beneath_its_name() -> None:
    assert drawn(stages.headed(PLAN, rows)) == [
        "stage 1 of 3 · epochs 1 to 3 · 2,562 parameters train",
        "head",
        "stage 2 of 3 · epoch 4 · 5,124 parameters train · optimizer goes on",
        "head",
        "last:2",
        "stage 3 of 3 · never reached",
    ]


def test_a_plan_without_stages_is_shown_as_ever() -> None:
    assert drawn(stages.headed(STAGES[0], rows)) == ["head"]
    assert stages.length(STAGES[0]) == "3 epochs × 61 = 183 steps"


def test_what_differs_among_stages_is_told_of_each() -> None:
    told = stages.numbered(PLAN, lambda card: [f"{card['batch_norm_eval']} stay"])
    assert told == ["stage 1: 52 stay", "stage 2: 40 stay", "stage 3: 0 stay"]
    assert stages.numbered(PLAN, lambda _: ["all alike", "in two lines"]) == [
        "all alike", "in two lines",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "told"),
    [(244, "4 epochs in 2 stages, 3 × 61 + 1 × 61 = 244 steps"),
     (200, "4 epochs in 2 stages, 3 × 61 + 1 × 61, cut to 200 steps")],
)  # fmt: skip
def test_the_length_is_that_of_all_stages_that_are_reached(steps: int, told: str) -> None:
    assert stages.length({**PLAN, "steps": steps}) == told


def test_a_notebook_shows_a_table_for_each_stage() -> None:
    shown = Plan({**PLAN, "batch_size": 4})._repr_html_()
    assert shown.count("stage 1: group") == shown.count("stage 2: group") == 1
    assert "4 epochs in 3 stages, 244 steps of 4 images" in shown
