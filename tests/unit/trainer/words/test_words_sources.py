"""Folders, pushed data sets and tables: each word against what the files themselves say."""

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torchvision.datasets import ImageFolder

from fttrain.data import audit, sources
from fttrain.data.samples import Source
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.images import Data
from tests.photos import make_photo_folder, photo

Where = dict[str, tuple[str, str]]


def load(**data: Any) -> Source:
    references = {"dataset:shapes": data.pop("at")} if "at" in data else {}
    return sources.load(Data.model_validate_json(json.dumps(data)), references)


def where(source: Source) -> Where:
    """Return by image its split and class."""
    return {
        samples.name(index): (split, source.classes[label])
        for split, samples in source.splits()
        for index, label in enumerate(samples.labels.tolist())
    }


def per_class(source: Source) -> dict[str, dict[str, int]]:
    counts = Counter(where(source).values())
    return {
        split: {name: counts[split, name] for name in source.classes}
        for split, _ in source.splits()
    }


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make folders first, second and third, each of classes."""
    root = tmp_path_factory.mktemp("parted")
    for split, count in (("first", 4), ("second", 3), ("third", 2)):
        for label, name in enumerate(("1", "2", "10")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                photo(label, (12, 9), seed=f"{split} {number}").save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def heap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one folder of classes, of 40, 23 and 7 images."""
    root = tmp_path_factory.mktemp("heap")
    for label, (name, count) in enumerate({"a": 40, "b": 23, "c": 7}.items()):
        (root / name).mkdir()
        for number in range(count):
            photo(label, (8, 8), seed=str(number)).save(root / name / f"{number}.png")
    return root


FOLDERS = {"train": "first", "val": "second", "test": "third"}


@pytest.mark.word("data", "data.folder", "data.folder.path", "data.folder.train")
@pytest.mark.word("data.folder.val", "data.folder.test")
@pytest.mark.word("data.dataset", "data.dataset.name", "data.dataset.train")
@pytest.mark.word("data.dataset.val", "data.dataset.test")
@pytest.mark.parametrize("kind", ["folder", "dataset"])
def test_each_split_holds_what_torchvisions_folder_finds(parted: Path, kind: str) -> None:
    if kind == "folder":
        source = load(folder={"path": str(parted), **FOLDERS})
    else:
        source = load(dataset={"name": "shapes", **FOLDERS}, at=str(parted))

    assert source.classes == ("1", "2", "10")
    for split, samples in source.splits():
        theirs = ImageFolder(str(parted / FOLDERS[split]))
        found = {
            str(Path(path).relative_to(parted)): theirs.classes[label]
            for path, label in theirs.samples
        }
        ours = {name: label for name, (part, label) in where(source).items() if part == split}
        assert ours == found
        np.testing.assert_array_equal(
            samples.image(0), np.asarray(theirs.loader(str(parted / samples.name(0))))
        )


@pytest.mark.word("data.folder.split", "data.folder.split.val", "data.folder.split.test")
@pytest.mark.word("data.dataset.split", "data.dataset.split.val", "data.dataset.split.test")
@pytest.mark.parametrize("kind", ["folder", "dataset"])
def test_a_split_takes_its_share_of_each_class(heap: Path, kind: str) -> None:
    split = {"val": 0.3, "test": 0.1}
    if kind == "folder":
        source = load(folder={"path": str(heap), "split": split})
    else:
        source = load(dataset={"name": "shapes", "split": split}, at=str(heap))

    # 40, 23 and 7 times 0.3 and 0.1, to the nearest.
    assert per_class(source) == {
        "train": {"a": 24, "b": 14, "c": 4},
        "val": {"a": 12, "b": 7, "c": 2},
        "test": {"a": 4, "b": 2, "c": 1},
    }
    assert len(where(source)) == 70
    assert source.is_drawn


@pytest.mark.word("data.folder.split.seed", "data.dataset.split.seed")
@pytest.mark.parametrize("kind", ["folder", "dataset"])
def test_who_goes_where_follows_from_seed_and_path(heap: Path, kind: str) -> None:
    def drawn(seed: int) -> Where:
        split = {"val": 0.3, "seed": seed}
        if kind == "folder":
            return where(load(folder={"path": str(heap), "split": split}))
        return where(load(dataset={"name": "shapes", "split": split}, at=str(heap)))

    def key(path: str, seed: int) -> bytes:
        return hashlib.blake2b(f"{seed}\0{path}".encode(), digest_size=16).digest()

    for seed in (0, 5):
        for name, count in (("a", 12), ("b", 7), ("c", 2)):
            paths = [str(p.relative_to(heap)) for p in (heap / name).iterdir()]
            first = sorted(paths, key=lambda path: key(path, seed))[:count]
            ours = {p for p, found in drawn(seed).items() if found == ("val", name)}
            assert ours == set(first)
    assert drawn(0) != drawn(5)


@pytest.mark.word("data.limit")
def test_a_limit_keeps_so_many_of_each_class_in_each_split(heap: Path) -> None:
    folder = {"path": str(heap), "split": {"val": 0.3, "test": 0.1}}
    whole = where(load(folder=folder))

    source, more = load(folder=folder, limit=3), load(folder=folder, limit=5)

    assert per_class(source) == {
        "train": {"a": 3, "b": 3, "c": 3},
        "val": {"a": 3, "b": 3, "c": 2},
        "test": {"a": 3, "b": 2, "c": 1},
    }
    assert where(source).items() <= where(more).items() <= whole.items()
    assert source.notices == (
        "data.limit keeps 9 of 42 in train, 8 of 21 in val, 6 of 7 in test: "
        "figures speak of these alone",
    )


# --- tables -----------------------------------------------------------------------------------

ROWS = [
    ("first/1/0.png", "one", "train"),
    ("first/1/1.png", "one", "train"),
    ("first/2/0.png", "two, too", "Train"),
    ("second/1/0.png", "one", "valid"),
    ("second/2/0.png", "two, too", "validation"),
    ("third/1/0.png", "one", "test"),
    ("third/2/0.png", "two, too", "test"),
]
SPLITS = {"train": "train", "valid": "val", "validation": "val", "test": "test"}


def table(place: Path, kind: str, columns: tuple[str, str, str]) -> Path:
    path = place / f"list.{kind}"
    with path.open("w", newline="", encoding="utf-8") as file:
        if kind == "jsonl":
            file.writelines(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in ROWS)
        else:
            writer = csv.writer(file, delimiter="\t" if kind == "tsv" else ",")
            writer.writerows([columns, *ROWS])
    return path


@pytest.mark.word("data.manifest", "data.manifest.path", "data.manifest.root")
@pytest.mark.word("data.manifest.image", "data.manifest.label", "data.manifest.split")
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_a_table_says_image_class_and_split(tmp_path: Path, parted: Path, kind: str) -> None:
    path = table(tmp_path, kind, ("file", "what", "use"))

    source = load(
        manifest={
            "path": str(path), "root": str(parted), "image": "file", "label": "what",
            "split": "use",
        }
    )  # fmt: skip

    expected = {name: (SPLITS[split.lower()], label) for name, label, split in ROWS}
    assert where(source) == expected
    assert not source.is_drawn


def test_a_table_lies_beside_its_images_and_has_common_columns(parted: Path) -> None:
    path = table(parted, "csv", ("image", "label", "split"))

    assert len(where(load(manifest={"path": str(path)}))) == len(ROWS)


@pytest.mark.word("data.manifest.parts", "data.manifest.parts.val", "data.manifest.parts.test")
@pytest.mark.word("data.manifest.parts.seed")
def test_rows_without_a_split_are_parted_as_a_folder_is(tmp_path: Path, heap: Path) -> None:
    path = tmp_path / "list.jsonl"
    images = [str(p.relative_to(heap)) for p in sorted(heap.glob("*/*.png"))]
    path.write_text(
        "".join(json.dumps({"image": name, "label": name[0]}) + "\n" for name in images)
    )
    parts = {"val": 0.25, "test": 0.2, "seed": 9}

    source = load(manifest={"path": str(path), "root": str(heap), "parts": parts})

    assert where(source) == where(load(folder={"path": str(heap), "split": parts}))
    assert source.is_drawn


@pytest.mark.word("data.duplicates")
def test_what_lies_in_two_splits_is_told_dropped_or_refused(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "p", ("a", "b"), per_class=3, size=(16, 12))
    twin = (root / "train" / "a" / "001.jpg").read_bytes()
    (root / "val" / "a" / "002.jpg").write_bytes(twin)

    def look(duplicates: str) -> audit.Audit:
        data = Data.model_validate({"folder": {"path": str(root)}, "duplicates": duplicates})
        return audit.look(sources.load(data), data)

    assert look("report").dropped == ()
    assert look("drop").dropped == ("train/a/001.jpg",)
    with pytest.raises(RecipeFaults, match=r"1 of val in train \(train/a/001.jpg = val/a/002.jpg"):
        look("refuse")
