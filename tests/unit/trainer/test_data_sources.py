"""A folder of images: what is found, what is left out, and what is said of it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from fttrain.data import sources
from fttrain.data.sources import Source
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.images import Data, Dataset, Folder
from tests.photos import make_photo_folder


def load(root: Path, **subfolders: str) -> Source:
    return sources.load(Data(folder=Folder(path=str(root), **subfolders)))


def faults(root: Path, **subfolders: str) -> dict[str, str]:
    with pytest.raises(RecipeFaults) as caught:
        load(root, **subfolders)
    return {fault.field: fault.description for fault in caught.value.faults}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_photo_folder(tmp_path / "photos", ("ants", "bees"), per_class=2)


def test_the_real_photos_are_counted_and_the_placeholder_is_left_out(hymenoptera: Path) -> None:
    source = load(hymenoptera)

    assert source.name == f"folder {hymenoptera}"
    assert source.classes == ("ants", "bees")
    assert np.bincount(source.train.labels).tolist() == [123, 121]
    assert np.bincount(source.val.labels).tolist() == [70, 83]
    assert source.left_out == ("train/ants/imageNotFound.gif",)
    assert source.channels == 3
    assert source.preprocess is None


def test_images_come_in_the_order_of_torchvisions_folder(hymenoptera: Path) -> None:
    from torchvision.datasets import ImageFolder

    theirs = ImageFolder(str(hymenoptera / "val"))

    ours = load(hymenoptera).val

    names = [str((hymenoptera / ours.name(i)).resolve()) for i in range(len(ours))]
    assert list(zip(names, ours.labels.tolist(), strict=True)) == [
        (str(Path(path).resolve()), label) for path, label in theirs.samples
    ]


def test_classes_are_in_natural_order(tmp_path: Path) -> None:
    make_photo_folder(tmp_path / "p", ("10", "2", "1", "b2", "b10", "a"), per_class=1)

    assert load(tmp_path / "p").classes == ("1", "2", "10", "a", "b2", "b10")


def test_classes_to_validate_on_are_mapped_by_name(tmp_path: Path) -> None:
    make_photo_folder(tmp_path / "p", ("2", "10"), per_class=1)

    source = load(tmp_path / "p")

    for samples in (source.train, source.val):
        named = {samples.name(i).split("/")[1]: int(samples.labels[i]) for i in range(2)}
        assert named == {"2": 0, "10": 1}


@pytest.mark.parametrize("ending", ["JPG", "jpeg", "Png", "webp", "BMP", "tif", "TIFF"])
def test_every_known_ending_is_read_in_any_case(root: Path, ending: str) -> None:
    (root / "train" / "ants" / "000.jpg").rename(root / "train" / "ants" / f"000.{ending}")

    source = load(root)

    assert len(source.train) == 4
    assert source.left_out == ()


def test_junk_is_left_out_and_named_once(root: Path) -> None:
    ants = root / "train" / "ants"
    for name in ("._000.jpg", ".DS_Store", "Thumbs.db", "notes.txt", "000.jpg.part"):
        (ants / name).touch()
    (ants / ".ipynb_checkpoints").mkdir()
    (ants / ".ipynb_checkpoints" / "000-checkpoint.jpg").touch()
    (root / "train" / "__MACOSX" / "ants").mkdir(parents=True)
    (root / "train" / "__MACOSX" / "ants" / "._000.jpg").touch()
    (root / "val" / "list.csv").touch()

    source = load(root)

    assert source.classes == ("ants", "bees")
    assert len(source.train) == 4
    assert source.left_out == (
        "train/__MACOSX/ants/._000.jpg",
        "train/ants/.DS_Store",
        "train/ants/._000.jpg",
        "train/ants/.ipynb_checkpoints/000-checkpoint.jpg",
        "train/ants/000.jpg.part",
        "train/ants/Thumbs.db",
        "train/ants/notes.txt",
        "val/list.csv",
    )


def test_what_is_no_plain_file_is_left_out(root: Path) -> None:
    os.mkfifo(root / "train" / "ants" / "pipe.jpg")
    (root / "train" / "ants" / "nowhere.jpg").symlink_to(root / "missing.jpg")

    source = load(root)

    assert source.left_out == ("train/ants/nowhere.jpg", "train/ants/pipe.jpg")


def test_nested_folders_and_links_are_followed_but_not_in_circles(root: Path) -> None:
    ants = root / "train" / "ants"
    (ants / "more").mkdir()
    (ants / "000.jpg").rename(ants / "more" / "9.jpg")
    (ants / "more" / "round").symlink_to(ants)

    source = load(root)

    assert [source.train.name(i) for i in range(2)] == [
        "train/ants/001.jpg",
        "train/ants/more/9.jpg",
    ]


def test_names_that_are_not_utf_8_are_read_and_can_be_shown(root: Path) -> None:
    ants = root / "train" / "ants"
    (ants / "000.jpg").rename(ants / os.fsdecode(b"caf\xe9.jpg"))
    (ants / os.fsdecode(b"caf\xe9.txt")).touch()

    source = load(root)

    assert source.train.name(1) == "train/ants/caf\\xe9.jpg"
    assert source.train.image(1).shape == (36, 48, 3)
    assert source.left_out == ("train/ants/caf\\xe9.txt",)


def test_other_subfolders_can_be_named(root: Path) -> None:
    (root / "val").rename(root / "dev")

    assert len(load(root, val="dev").val) == 4


def _touch(image: Path) -> None:
    os.utime(image, ns=(0, image.stat().st_mtime_ns + 1))


@pytest.mark.parametrize(
    "change",
    [_touch, Path.unlink, lambda image: image.rename(image.with_name("x.jpg"))],
    ids=["touched", "removed", "renamed"],
)
def test_the_fingerprint_tells_of_every_change(
    root: Path, change: Callable[[Path], object]
) -> None:
    before = load(root).fingerprint
    assert before == load(root).fingerprint
    assert len(before) == 64

    change(root / "val" / "bees" / "001.jpg")

    assert load(root).fingerprint != before


# --- faults -----------------------------------------------------------------------------------


def test_a_missing_folder_is_a_fault(tmp_path: Path) -> None:
    assert faults(tmp_path / "x") == {
        "data.folder.path": f"{tmp_path / 'x'} does not exist on this machine"
    }


def test_a_file_in_place_of_the_folder_is_a_fault(root: Path) -> None:
    photo = root / "val" / "ants" / "000.jpg"

    assert faults(photo) == {"data.folder.path": f"{photo} is not a folder"}


def test_missing_subfolders_are_faults_that_say_what_is_there(tmp_path: Path) -> None:
    make_photo_folder(tmp_path / "p", ("ants", "bees"), per_class=1)

    assert faults(tmp_path / "p", train="training", val="dev") == {
        "data.folder.train": f"{tmp_path / 'p'} has no folder `training`; did you mean `train`?",
        "data.folder.val": f"{tmp_path / 'p'} has no folder `dev`; "
        "folders there: train, val. Photos lie in dev/CLASS",
    }


def test_no_folders_of_classes_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "a.jpg").touch()

    assert faults(tmp_path) == {
        "data.folder.train": f"{tmp_path}/train has no folders, one is needed per class",
        "data.folder.val": f"{tmp_path}/val has no folders, one is needed per class",
    }


def test_no_images_at_all_is_a_fault(root: Path) -> None:
    for image in (root / "train").glob("*/*.jpg"):
        image.rename(image.with_suffix(".gif"))

    assert faults(root) == {
        "data.folder.train": f"{root}/train has no images; "
        "read are jpg, jpeg, png, webp, bmp, tif, tiff"
    }


def test_empty_classes_are_faults_by_name(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "p", ("ants", "bees", "wasps"), per_class=1)
    (root / "train" / "bees" / "000.jpg").unlink()
    (root / "val" / "ants" / "000.jpg").unlink()
    (root / "val" / "bees" / "000.jpg").unlink()

    assert faults(root) == {
        "data.folder.train": f"{root}/train: class `bees` has no images; "
        "put some in or remove the folder",
        "data.folder.val": f"{root}/val: classes `ants`, `bees` have no images; "
        "put some in or remove the folder",
    }


def test_a_class_that_train_lacks_is_a_fault_by_name(root: Path) -> None:
    (root / "val" / "bees").rename(root / "val" / "bee")
    make_photo_folder(root / "more", ("bees",), per_class=1)
    (root / "more" / "val" / "bees").rename(root / "val" / "bees")

    assert faults(root) == {
        "data.folder.val": "has class `bee`, which `train` lacks; "
        "`train` has classes `ants`, `bees`"
    }


def test_a_class_that_val_lacks_is_a_fault_by_name(root: Path) -> None:
    (root / "val" / "bees").rename(root / "bees")

    assert faults(root) == {
        "data.folder.val": "lacks class `bees`, which `train` has; "
        "every class needs images to validate on"
    }


def test_of_many_classes_ten_are_named(root: Path) -> None:
    for number in range(12):
        (root / "val" / f"x{number}").mkdir()
        (root / "val" / f"x{number}" / "a.jpg").touch()

    assert "`x0`, `x1`, `x2`" in faults(root)["data.folder.val"]
    assert "`x9` and 2 more, which" in faults(root)["data.folder.val"]


def test_a_single_class_is_a_fault(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "p", ("ants",), per_class=1)

    assert faults(root) == {
        "data.folder.train": f"{root}/train has class `ants` alone; to tell apart takes two classes"
    }


def test_a_pushed_data_set_is_known_by_what_it_holds(tmp_path: Path) -> None:
    spec = Data(dataset=Dataset(name="shapes"))
    found = []
    for place in (tmp_path / "one" / "abc", tmp_path / "two" / "abc", tmp_path / "def"):
        make_photo_folder(place, per_class=2, size=(8, 8), val_per_class=1)
        found.append(sources.load(spec, {"dataset:shapes": str(place)}))

    assert {source.name for source in found} == {"data set shapes"}
    assert found[0].fingerprint == found[1].fingerprint != found[2].fingerprint


def test_a_data_set_is_none_without_a_daemon() -> None:
    with pytest.raises(RecipeFaults) as caught:
        sources.load(Data(dataset=Dataset(name="shapes")))

    assert [(each.field, each.description) for each in caught.value.faults] == [
        (
            "data.dataset.name",
            "no data set `shapes` is known here: a daemon has them; say `folder` instead",
        )
    ]


def test_a_name_alone_says_a_data_set() -> None:
    assert Data.model_validate({"dataset": "a"}) == Data(dataset=Dataset(name="a"))
    assert "string" in [each.get("type") for each in _dataset_schema()["anyOf"]]


def _dataset_schema() -> dict[str, Any]:
    schema: dict[str, Any] = Data.model_json_schema()["properties"]["dataset"]
    return schema


@pytest.mark.parametrize("sources_", [{}, {"dataset": "a", "digits": {}}])
def test_there_is_exactly_one_source(sources_: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="exactly one of: folder, dataset, manifest, "):
        Data.model_validate(sources_)
