"""The curves: what they show of one run and of several, on any axes."""

import dataclasses
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fttrain.events import EpochEnded, Score
from fttrain.pictures import curves, ink, kinds
from fttrain.pictures.look import BadLook, Look


def score(loss: float, correct: int, count: int) -> Score:
    accuracy = correct / count
    return Score(
        loss=loss,
        accuracy=accuracy,
        correct=correct,
        count=count,
        accuracy_low=max(accuracy - 0.05, 0),
        accuracy_high=min(accuracy + 0.05, 1),
    )


def epochs(count: int, *, first: int = 1) -> list[EpochEnded]:
    return [
        EpochEnded(
            epoch=epoch,
            step=61 * epoch,
            train=score(1 / (epoch + 1), 200, 244) if epoch else None,
            val=score(1 / (epoch + 2), min(100 + epoch, 153), 153),
            lrs=[1e-3],
            images_per_second=50.0,
            memory_bytes=1,
            seconds=4.0,
            best=True,
        )
        for epoch in range(first, first + count)
    ]


def drawn(*runs: list[EpochEnded], look: Look = Look()) -> set[tuple[int, ...]]:  # noqa: B008
    """Draw runs; return the colours of the picture."""
    bodies = [curves.body(run, f"run $and_ {place}") for place, run in enumerate(runs)]
    with Image.open(io.BytesIO(kinds.draw("curves", bodies, look))) as image:
        assert image.format == "PNG"
        assert image.size[0] >= 800
        pixels = np.asarray(image.convert("RGB"))
    return {tuple(pixel) for pixel in pixels.reshape(-1, 3)}


def rgb(color: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(color[1:]))


LOOKS = [
    Look(),
    Look(x="log"),
    Look(y="log"),
    Look(x="log", y="log"),
    Look(metrics=("lr",)),
    Look(metrics=tuple(curves.KNOWN), y="log"),
]


@pytest.mark.parametrize("look", [LOOKS[0], LOOKS[3]])
@pytest.mark.parametrize(("count", "first"), [(1, 0), (1, 1), (2, 0), (300, 0)])
def test_a_picture_is_drawn_of_any_number_of_epochs(count: int, first: int, look: Look) -> None:
    colors = drawn(epochs(count, first=first), look=look)

    shown = count - (first == 0 and look.x == "log")
    assert (rgb(ink.VAL) in colors) or not shown
    if not look.metrics:
        assert (rgb(ink.TRAIN) in colors) or first + count == 1


@pytest.mark.parametrize("look", LOOKS)
def test_runs_are_drawn_into_the_same_axes_each_in_its_colour(look: Look) -> None:
    colors = drawn(epochs(5), epochs(12), epochs(40, first=0), look=look)

    if not look.metrics:
        assert {rgb(color) for color in ink.RUNS[:3]} <= colors


def test_epochs_that_were_not_evaluated_are_passed_over() -> None:
    shown = epochs(4)
    shown[1] = dataclasses.replace(shown[1], val=None, best=False)

    assert rgb(ink.VAL) in drawn(shown)


def test_the_same_run_gives_the_same_picture() -> None:
    one, again = (
        kinds.draw("curves", [curves.body(epochs(5), "t")], Look(x="log")) for _ in range(2)
    )

    assert one == again


@pytest.mark.parametrize(
    ("runs", "look", "message"),
    [
        (
            1,
            Look(metrics=("los",)),
            "curves has no metric `los`; did you mean `loss`?",
        ),
        (
            1,
            Look(metrics=("x",)),
            "curves has no metric `x`; there are loss, accuracy, error, balanced_accuracy, "
            "top5_accuracy, calibration_error, lr",
        ),
        (9, Look(), "curves compares at most 8 runs, not 9"),
    ],
)
def test_what_cannot_be_drawn_is_said(runs: int, look: Look, message: str) -> None:
    with pytest.raises(BadLook) as bad:
        kinds.draw("curves", [curves.body(epochs(2), "t")] * runs, look)

    assert str(bad.value) == message


def test_drawing_loads_no_windowing_and_importing_no_matplotlib() -> None:
    code = (
        "import sys; from fttrain.artifacts import export; from fttrain.pictures import curves;"
        "from fttrain.pictures import kinds; from fttrain.pictures.look import Look;"
        "assert 'matplotlib' not in sys.modules;"
        "from fttrain.events import EpochEnded, Score;"
        "s = Score(loss=1, accuracy=.5, correct=1, count=2, accuracy_low=.1, accuracy_high=.9);"
        "e = EpochEnded(epoch=1, step=1, train=s, val=s, lrs=[1], images_per_second=1,"
        " memory_bytes=1, seconds=1, best=True);"
        "kinds.draw('curves', [curves.body([e], 't')], Look());"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_edges_of_stages_are_drawn_and_lie_in_the_numbers() -> None:
    run = [
        dataclasses.replace(told, stage=1 + (told.epoch > 3), lrs=[1e-3] * (1 + (told.epoch > 3)))
        for told in epochs(9)
    ]
    body = curves.body(run, "staged")

    assert curves.edges(body["epochs"]) == [(4, 2)]
    assert curves.edges(curves.body(epochs(9), "whole")["epochs"]) == []
    for look in (Look(), Look(x="log", y="log"), Look(metrics=("lr",))):
        assert kinds.draw("curves", [body], look) != kinds.draw(
            "curves", [curves.body([dataclasses.replace(e, stage=0) for e in run], "staged")], look
        )
