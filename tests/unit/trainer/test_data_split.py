"""Stratified splits of real photos: exact, the same everywhere, without overlap."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fttrain.data import sources, split
from fttrain.data.samples import Source
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.images import Data, Split
from tests.conftest import CHECKOUT
from tests.photos import make_photo_folder


@pytest.fixture(scope="module", params=["flowers5", "cars"])
def real(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return one folder of the classes of flowers, or of cars."""
    name = {"flowers5": "flowers5", "cars": "stanford_cars_10class"}[request.param]
    root = tmp_path_factory.mktemp("real")
    archive = shared / "data" / f"{name}.tar"
    subprocess.run(["tar", "-xf", archive, "-C", root], check=True)
    return root / name if request.param == "flowers5" else root / name / "train"


def load(root: Path, **split: float) -> Source:
    body = {"folder": {"path": str(root), "split": {"val": 0.15, "test": 0.1, **split}}}
    return sources.load(Data.model_validate(body))


def faults(root: Path, **split: float) -> dict[str, str]:
    with pytest.raises(RecipeFaults) as caught:
        load(root, **split)
    return {fault.field: fault.description for fault in caught.value.faults}


def test_each_class_has_its_share_to_within_one_and_no_file_is_in_two(real: Path) -> None:
    source = load(real)
    shares = {"train": 0.75, "val": 0.15, "test": 0.1}
    there = {
        folder.name: {f"{folder.name}/{file.name}" for file in folder.iterdir()}
        for folder in real.iterdir()
    }

    rows = list(split.rows(source))

    for name, files in there.items():
        for which, share in shares.items():
            count = sum(row[1:] == (name, which) for row in rows)
            assert abs(count - share * len(files)) <= 1
    assert len(rows) == len({path for path, _, _ in rows})
    assert {path for path, _, _ in rows} == set.union(*there.values())
    assert all(path in there[name] for path, name, _ in rows)


def test_the_split_is_the_same_twice_and_in_other_locales(real: Path, tmp_path: Path) -> None:
    tell = (
        "import json, sys; from fttrain.data import sources, split; "
        "from fttrain.spec.images import Data; "
        "source = sources.load(Data.model_validate(json.loads(sys.argv[1]))); "
        "print(split.digest(source), *source.classes, sep='|')"
    )
    body = {"folder": {"path": str(real), "split": {"val": 0.15, "test": 0.1}}}

    def told(locale: str) -> str:
        path = os.pathsep.join([str(CHECKOUT / "trainer"), *sys.path])
        environment = {**os.environ, "LC_ALL": locale, "PYTHONPATH": path, "PYTHONUTF8": "0"}
        command = [sys.executable, "-c", tell, json.dumps(body)]
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stdout

    here = "|".join([split.digest(load(real)), *load(real).classes]) + "\n"

    assert {told("C"), told("en_US.ISO-8859-1"), told("tr_TR.UTF-8"), here} == {here}
    assert split.digest(load(real, seed=1)) != split.digest(load(real))


def test_a_file_more_moves_few_others(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "p", per_class=50, val_per_class=1, size=(8, 8)) / "train"
    before = {path: which for path, _, which in split.rows(load(root))}
    (root / "circles" / "000.jpg").rename(root / "circles" / "new.jpg")
    after = {path: which for path, _, which in split.rows(load(root))}

    moved = [path for path in before if path in after and before[path] != after[path]]

    assert len(moved) <= 2


@pytest.mark.parametrize("images", range(2, 12))
def test_no_part_is_ever_empty(images: int) -> None:
    names = [b"%d" % number for number in range(images)]
    for share in (0.01, 0.3, 0.5, 0.99):
        parts = split.parted(names, Split(val=share))
        assert sorted(parts["train"] + parts["val"]) == list(range(images))
        assert all(parts.values())
    if images > 2:
        parts = split.parted(names, Split(val=0.49, test=0.5))
        assert sorted(index for part in parts.values() for index in part) == list(range(images))
        assert all(len(part) > 0 for part in parts.values())


def test_classes_with_too_few_images_are_named(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "p", ("a", "b"), per_class=2, size=(8, 8)) / "train"

    assert faults(root) == {
        "data.folder.split": f"{root}: classes `a`, `b` have fewer than the 3 images that a split "
        "into train, val and test takes; put more in or remove the class"
    }


def test_a_folder_that_is_parted_already_is_not_parted(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "p", per_class=4, size=(8, 8))

    assert faults(root) == {
        "data.folder.split": f"{root} has folders `train` and `val`: it is parted already; "
        "leave out split"
    }


def test_a_folder_of_classes_is_not_taken_for_splits(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "p", per_class=4, size=(8, 8)) / "train"

    with pytest.raises(RecipeFaults) as caught:
        sources.load(Data.model_validate({"folder": {"path": str(root)}}))

    assert caught.value.faults[0].description == (
        f"{root} has no folder `train`; folders there: circles, squares. Photos lie in "
        "train/CLASS; or, where these are the classes, say `split`"
    )


def test_a_test_folder_that_nobody_asked_for_is_told(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "p", per_class=1, size=(8, 8))
    (root / "test").mkdir()

    source = sources.load(Data.model_validate({"folder": {"path": str(root)}}))

    assert source.notices == (
        f"{root}/test is not read; `data.folder.test: test` evaluates it once, at the end, by the "
        "best checkpoint",
    )


def test_a_class_that_the_test_folder_lacks_or_misspells_is_a_fault(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "p", ("ants", "bees"), per_class=1, size=(8, 8))
    make_photo_folder(tmp_path / "q", ("ants", "bee"), per_class=1, size=(8, 8))
    (tmp_path / "q" / "val").rename(root / "test")

    with pytest.raises(RecipeFaults) as caught:
        sources.load(Data.model_validate({"folder": {"path": str(root), "test": "test"}}))

    assert [(each.field, each.description) for each in caught.value.faults] == [
        (
            "data.folder.test",
            "has class `bee`, which `train` lacks; `train` has classes `ants`, `bees`. "
            "Rename `bee` to `bees`?",
        ),
        (
            "data.folder.test",
            "lacks class `bees`, which `train` has; every class needs images to test on",
        ),
    ]
