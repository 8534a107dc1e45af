"""Test images of a run are not evaluated on again, whatever they are called."""

import os
import shutil
from pathlib import Path

import pytest

from tests import engine
from tests.evaluations import evaluated, fault, on, result
from tests.photos import make_photo_folder

pytestmark = pytest.mark.usefixtures("still")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes: 18 to train on, 14 to validate on."""
    return make_photo_folder(tmp_path_factory.mktemp("p"), per_class=9, val_per_class=7)


@pytest.fixture(scope="module")
def locked(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run with test images, and their folder."""
    root = tmp_path_factory.mktemp("locked")
    shutil.copytree(photos, root / "data")
    shutil.copytree(photos / "val", root / "data/test")
    data = {"folder": {"path": str(root / "data"), "test": "test"}, "preprocess": engine.FRAMED}
    recipe = engine.parsed({**data, "workers": 0}, {"cnn": {"channels": [4, 8]}}, {"epochs": 1})
    engine.trained(root / "run", recipe)
    return root / "run", root / "data/test"


def test_the_runs_own_test_images_are_refused_under_any_name(
    locked: tuple[Path, Path], tmp_path: Path
) -> None:
    run_dir, test = locked
    (tmp_path / "linked").symlink_to(test)
    for label in ("circles", "squares"):
        (tmp_path / "one" / label).mkdir(parents=True)
        os.link(test / label / "001.jpg", tmp_path / "one" / label / "a.jpg")

    direct, linked, one = (
        fault(evaluated(run_dir, tmp_path / f"x{number}", images=on(path)))
        for number, path in enumerate([test, tmp_path / "linked", tmp_path / "one"])
    )

    said = (
        "{} of the {} images of mine are test images of tested: those are read once, by the job "
        "itself at its end, and `ftctl get tested` has what came of it; name other images"
    )
    assert direct == linked == ("locked", said.format(14, 14))
    assert one == ("locked", said.format(2, 2))


def test_other_images_are_evaluated_on_beside_the_locked_ones(
    locked: tuple[Path, Path], photos: Path, tmp_path: Path
) -> None:
    run_dir, _ = locked

    told = result(evaluated(run_dir, tmp_path / "x", images=on(photos / "val")))

    assert told["score"]["count"] == 14
