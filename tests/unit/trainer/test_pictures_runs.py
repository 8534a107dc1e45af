"""Runs beside one another: what their picture shows, on any axes."""

import io
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fttrain.pictures import edge, ink, kinds, runs
from fttrain.pictures.look import BadLook, Look


def body(
    count: int, *, title: str = "run $and_", level: float = 0.5, stage_ends: tuple[int, ...] = (),
    repeats: int = 1,
) -> dict[str, Any]:  # fmt: skip
    epochs = [
        {
            "epoch": number + repeat * count,
            "repeat": repeat + 1 if repeats > 1 else 0,
            "train": {"loss": level / number, "accuracy": 1 - level / number},
            "val": {"loss": level / number + 0.1, "accuracy": 0.95 - level / number},
        }
        for repeat in range(repeats)
        for number in range(1, count + 1)
    ]
    return {"title": title, "epochs": epochs, "stage_ends": list(stage_ends)}


def colors(bodies: list[dict[str, Any]], look: Look) -> dict[tuple[int, ...], int]:
    """Draw runs; return how many pixels of the picture have each colour."""
    with Image.open(io.BytesIO(kinds.draw("runs", bodies, look))) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    found, counts = np.unique(pixels, axis=0, return_counts=True)
    return {tuple(color): int(n) for color, n in zip(found.tolist(), counts, strict=True)}


def rgb(color: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(color[1:]))


LOG = Look(x="log", y="log")
LOOKS = [LOG, Look(metrics=("loss", "error", "accuracy"))]


@pytest.mark.parametrize("look", LOOKS)
def test_each_of_eight_runs_has_its_colour(look: Look) -> None:
    bodies = [body(6 + place, level=0.3 + 0.05 * place) for place in range(8)]

    found = colors(bodies, look)

    assert {rgb(color) for color in ink.RUNS} <= found.keys()


@pytest.mark.parametrize("look", [Look(), LOG])
@pytest.mark.parametrize("count", [1, 500])
def test_any_number_of_epochs_can_be_drawn(count: int, look: Look) -> None:
    assert rgb(ink.RUNS[0]) in colors([body(count)], look)


def test_infinite_losses_and_epochs_without_scores_are_left_out() -> None:
    odd = body(4)
    odd["epochs"][1]["val"]["loss"] = math.inf
    odd["epochs"][2]["train"] = None
    odd["epochs"][3]["val"] = None

    assert rgb(ink.RUNS[0]) in colors([odd], LOG)


def test_where_nothing_was_validated_the_panel_says_so() -> None:
    bare = body(3)
    for epoch in bare["epochs"]:
        epoch["val"] = None

    assert rgb(ink.RUNS[0]) in colors([bare], Look())


def test_stages_are_marked_in_the_colour_of_their_run() -> None:
    plain, staged = body(40), body(40, stage_ends=(10, 20))

    before, after = (colors([run], Look())[rgb(ink.RUNS[0])] for run in (plain, staged))

    assert after > before


def test_repeats_are_drawn_one_over_another_from_their_own_beginnings() -> None:
    course = list(runs._courses(body(3, repeats=2), runs.METRICS["loss"], "val", Look()))

    assert [[x for x, _ in points] for points in course] == [[1, 2, 3], [1, 2, 3]]


def test_the_line_of_a_run_is_at_its_best_on_validation_images() -> None:
    bodies = [body(5), body(9)]

    highest = list(runs._bests(runs.METRICS["accuracy"], bodies, Look()))
    lowest = list(runs._bests(runs.METRICS["loss"], bodies, Look()))

    assert [(x, round(y, 4)) for x, y, _ in highest] == [(5, 0.85), (9, 0.8944)]
    assert [(x, round(y, 4)) for x, y, _ in lowest] == [(5, 0.2), (9, 0.1556)]


def test_the_same_numbers_give_the_same_bytes() -> None:
    bodies = [body(5), body(9)]

    assert kinds.draw("runs", bodies, Look()) == kinds.draw("runs", bodies, Look())


@pytest.mark.parametrize(
    ("bodies", "look", "why"),
    [
        ([body(2)], Look(metrics=("acuracy",)),
         "runs has no metric `acuracy`; did you mean `accuracy`?"),
        ([body(2)] * 9, Look(), "runs compares at most 8 runs, not 9"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_told(bodies: list[dict[str, Any]], look: Look, why: str) -> None:
    with pytest.raises(BadLook) as error:
        kinds.draw("runs", bodies, look)

    assert str(error.value) == why


@given(st.lists(st.floats(0, 100), max_size=8))
def test_values_at_the_edge_keep_their_order_and_a_gap(wanted: list[float]) -> None:
    placed = edge.spread(wanted, gap=5.0, low=0.0, high=100.0)

    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    heights = [placed[place] for place in order]
    assert all(b - a >= 5.0 - 1e-9 for a, b in pairwise(heights))
    assert all(-1e-9 <= height <= 100 + 1e-9 for height in placed)


def test_values_that_are_far_apart_stay_where_they_are() -> None:
    assert edge.spread([10.0, 90.0, 50.0], gap=5.0, low=0.0, high=100.0) == [10.0, 90.0, 50.0]
