"""The curves: a picture, and the numbers in it."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fttrain.artifacts import curves
from fttrain.events import EpochEnded, Score


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


@pytest.mark.parametrize(("count", "first"), [(1, 0), (1, 1), (2, 0), (25, 1), (300, 0)])
def test_a_picture_is_drawn_of_any_number_of_epochs(tmp_path: Path, count: int, first: int) -> None:
    path = tmp_path / "curves.png"

    curves.draw(epochs(count, first=first), path, "ants $and_ bees")

    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.size[0] >= 1000
        pixels = np.asarray(image.convert("RGB"))
    drawn = {tuple(pixel) for pixel in pixels.reshape(-1, 3)}
    assert tuple(bytes.fromhex(curves.VAL[1:])) in drawn
    assert (tuple(bytes.fromhex(curves.TRAIN[1:])) in drawn) or first + count == 1


def test_the_numbers_lie_beside_it(tmp_path: Path) -> None:
    shown = epochs(3, first=0)

    beside = curves.draw(shown, tmp_path / "curves.png", "ants-bees")

    assert beside == tmp_path / "curves.json"
    assert json.loads(beside.read_text()) == {
        "title": "ants-bees",
        "epochs": [dataclasses.asdict(epoch) for epoch in shown],
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["curves.json", "curves.png"]


def test_the_same_run_gives_the_same_picture(tmp_path: Path) -> None:
    for name in ("a", "b"):
        curves.draw(epochs(5), tmp_path / f"{name}.png", "t")

    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_no_epochs_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^no epoch to draw$"):
        curves.draw([], tmp_path / "curves.png", "t")


def test_drawing_loads_no_windowing_and_importing_no_matplotlib(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from fttrain.artifacts import curves, export;"
        "assert 'matplotlib' not in sys.modules;"
        "from fttrain.events import EpochEnded, Score;"
        "s = Score(loss=1, accuracy=.5, correct=1, count=2, accuracy_low=.1, accuracy_high=.9);"
        "e = EpochEnded(epoch=1, step=1, train=s, val=s, lrs=[1], images_per_second=1,"
        " memory_bytes=1, seconds=1, best=True);"
        "curves.draw([e], Path(sys.argv[1]), 't');"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code, str(tmp_path / "c.png")], check=True)
