"""Published sets, read from files in their own formats as torchvision reads them; made images."""

import gzip
import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from fttrain.data import sources
from fttrain.data.samples import Source
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.images import Data
from tests.photos import make_photo_folder
from tests.published import (
    make_cifar10,
    make_cifar100,
    make_cub200,
    make_food101,
    make_stanford_cars,
    noise,
    pickled,
)  # fmt: skip

Table = dict[str, Any]


def load(**data: Any) -> Source:
    return sources.load(Data.model_validate_json(json.dumps(data)))


def named(samples: Any, classes: tuple[str, ...]) -> dict[str, str]:
    return {samples.name(i): classes[label] for i, label in enumerate(samples.labels.tolist())}


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make both sets, and have torchvision take other files than the published ones."""
    make_cifar100(make_cifar10(tmp_path))
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *given: True)
    return tmp_path


@pytest.mark.word("data.torchvision", "data.torchvision.name", "data.torchvision.path")
@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
def test_cifar_is_what_torchvision_reads(cifar: Path, name: str) -> None:
    source = load(torchvision={"name": name, "path": str(cifar)})

    theirs = {train: getattr(datasets, name)(str(cifar), train=train) for train in (True, False)}
    assert source.classes == tuple(theirs[True].classes)
    assert source.test is not None
    assert len(source.train) + len(source.val) == len(theirs[True])
    assert len(source.test) == len(theirs[False])
    for _, samples in source.splits():
        for index in range(len(samples)):
            which, _, number = samples.name(index).split()
            image, label = theirs[which == "train"][int(number)]
            np.testing.assert_array_equal(samples.image(index), np.asarray(image))
            assert samples.labels[index] == label


@pytest.mark.word("data.torchvision.val_share", "data.torchvision.split_seed")
def test_a_share_of_each_training_class_is_held_out(cifar: Path) -> None:
    def held(**options: Any) -> Source:
        return load(torchvision={"name": "CIFAR10", "path": str(cifar), **options})

    source = held(val_share=0.2)

    assert np.bincount(source.train.labels).tolist() == [8] * 10
    assert np.bincount(source.val.labels).tolist() == [2] * 10
    names = [{each.name(i) for i in range(len(each))} for _, each in source.splits()]
    assert names[0].isdisjoint(names[1])
    chosen = [named(held(split_seed=seed).val, source.classes) for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]


@pytest.mark.word("data.torchvision.validate_on_test")
def test_the_official_test_images_can_be_validated_on(cifar: Path) -> None:
    source = load(torchvision={"name": "CIFAR10", "path": str(cifar), "validate_on_test": True})

    assert (len(source.train), len(source.val), source.test) == (100, 10, None)
    assert source.val.name(0) == "test image 0"
    assert source.notices == (
        "validates on the official test images, as `validate_on_test` says: the best epoch is "
        "chosen on them, so its figure flatters, and nothing is left to test on",
    )


@pytest.mark.word("data.torchvision.download")
def test_only_download_fetches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def fetch(path: str, *, download: bool) -> None:
        fetched.append(path)
        body = {"data": noise(20, seed=0), "labels": [i % 10 for i in range(20)]}
        for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]:
            pickled(Path(path) / "cifar-10-batches-py" / name, body)
        names = {"label_names": [b"c%d" % i for i in range(10)]}
        pickled(Path(path) / "cifar-10-batches-py" / "batches.meta", names)

    monkeypatch.setattr(datasets, "CIFAR10", fetch)
    spec = {"name": "CIFAR10", "path": str(tmp_path)}

    with pytest.raises(RecipeFaults) as caught:
        load(torchvision=spec)
    assert [(each.field, each.description) for each in caught.value.faults] == [
        (
            "data.torchvision.path",
            f"{tmp_path}/cifar-10-batches-py/batches.meta cannot be read: No such file or "
            "directory; put the files there, or say `download: true`",
        )
    ]
    assert fetched == []
    for _ in range(2):
        assert len(load(torchvision={**spec, "download": True}).train) == 90
    assert fetched == [str(tmp_path)]


def test_a_pickle_that_would_run_something_is_refused(cifar: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return exec, ("raise SystemExit",)

    with (cifar / "cifar-10-batches-py" / "test_batch").open("wb") as file:
        pickle.dump({"data": Evil()}, file)

    with pytest.raises(RecipeFaults, match=r"test_batch is no batch of images: it wants builtins"):
        load(torchvision={"name": "CIFAR10", "path": str(cifar)})


@pytest.mark.parametrize("is_packed", [False, True])
def test_fashion_mnist_is_what_torchvision_reads(tmp_path: Path, *, is_packed: bool) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for which, count in (("train", 60), ("t10k", 20)):
        pixels = noise(count, seed=count, width=784)
        labels = np.arange(count, dtype=np.uint8) % 10
        head = struct.pack(">4sIII", b"\0\0\x08\x03", count, 28, 28)
        files = {
            "images-idx3": head + pixels.tobytes(),
            "labels-idx1": struct.pack(">4sI", b"\0\0\x08\x01", count) + labels.tobytes(),
        }
        for name, content in files.items():
            (raw / f"{which}-{name}-ubyte").write_bytes(content)
    theirs = {which: datasets.FashionMNIST(str(tmp_path), train=which) for which in (True, False)}
    if is_packed:
        for file in list(raw.iterdir()):
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()

    source = load(torchvision={"name": "FashionMNIST", "path": str(tmp_path)})

    assert source.channels == 1
    assert list(source.classes) == theirs[True].classes
    for _, samples in source.splits():
        for index in range(len(samples)):
            which, _, number = samples.name(index).split()
            image, label = theirs[which == "train"][int(number)]
            np.testing.assert_array_equal(samples.image(index)[..., 0], np.asarray(image))
            assert samples.labels[index] == label


def test_food_101_is_what_torchvision_lists(tmp_path: Path) -> None:
    root = make_food101(tmp_path) / "food-101"

    source = load(torchvision={"name": "Food101", "path": str(tmp_path)})

    assert_like(
        source, {w: datasets.Food101(str(tmp_path), split=w) for w in ("train", "test")}, root
    )


def test_a_class_that_the_list_of_classes_lacks_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "food-101" / "meta").mkdir(parents=True)
    for which, body in {"train": {"pie": []}, "test": {"tart": ["tart/1"]}}.items():
        (tmp_path / "food-101" / "meta" / f"{which}.json").write_text(json.dumps(body))

    with pytest.raises(RecipeFaults) as refused:
        load(torchvision={"name": "Food101", "path": str(tmp_path)})

    assert str(refused.value).startswith(
        f"data.torchvision.path: {tmp_path}/food-101: the list of classes lacks `tart`, which "
        "images/tart/1.jpg is of"
    )


def assert_like(source: Source, theirs: dict[str, Any], root: Path) -> None:
    """Assert that train and val together, and test, are what torchvision lists."""
    assert list(source.classes) == theirs["train"].classes
    given = {
        which: list(getattr(each, "_samples", None) or zip(each._image_files, each._labels))  # noqa: B905
        for which, each in theirs.items()
    }
    expected = {
        which: {str(Path(path).relative_to(root)): source.classes[label] for path, label in each}
        for which, each in given.items()
    }
    assert source.test is not None
    held = named(source.train, source.classes), named(source.val, source.classes)
    assert {**held[0], **held[1]} == expected["train"]
    assert held[0].keys().isdisjoint(held[1])
    assert named(source.test, source.classes) == expected["test"]


def test_stanford_cars_are_what_torchvision_lists(tmp_path: Path) -> None:
    root = make_stanford_cars(tmp_path) / "stanford_cars"

    source = load(torchvision={"name": "StanfordCars", "path": str(tmp_path)})

    splits = ("train", "test")
    assert_like(source, {w: datasets.StanfordCars(str(tmp_path), split=w) for w in splits}, root)


def test_an_imagenet_tree_is_validated_on_its_own_split(tmp_path: Path) -> None:
    make_photo_folder(tmp_path / "i", ("n01440764", "n01443537"), per_class=2, size=(8, 8))

    source = load(torchvision={"name": "ImageNet", "path": str(tmp_path / "i")})

    theirs = datasets.ImageFolder(str(tmp_path / "i" / "val"))
    assert named(source.val, source.classes) == {
        str(Path(path).relative_to(tmp_path / "i")): theirs.classes[label]
        for path, label in theirs.samples
    }
    assert source.test is None


@pytest.mark.word("data.cub200", "data.cub200.path", "data.cub200.val_share")
@pytest.mark.word("data.cub200.split_seed", "data.cub200.validate_on_test")
def test_the_birds_are_what_their_lists_say(tmp_path: Path) -> None:
    make_cub200(tmp_path)
    classes = ["001.Black_footed_Albatross", "002.Laysan_Albatross"]
    trained: dict[str, str] = {}
    tested: dict[str, str] = {}
    for number in range(1, 25):
        side = trained if number % 3 else tested
        side[f"images/{classes[number % 2]}/{number:04d}.jpg"] = classes[number % 2]

    def birds(**options: Any) -> Source:
        return load(cub200={"path": str(tmp_path), **options})

    source, other = birds(val_share=0.25), birds(val_share=0.25, split_seed=1)

    assert list(source.classes) == classes
    assert source.test is not None
    assert named(source.test, source.classes) == tested
    held = named(source.val, source.classes)
    assert {**named(source.train, source.classes), **held} == trained
    assert np.bincount(source.val.labels).tolist() == [2, 2]  # A quarter of 8 and 8.
    assert named(other.val, other.classes) != held
    official = birds(validate_on_test=True)
    assert named(official.val, official.classes) == tested
    assert named(official.train, official.classes) == trained


@pytest.mark.word("data.fake", "data.fake.classes", "data.fake.train", "data.fake.val")
@pytest.mark.word("data.fake.test", "data.fake.side", "data.fake.channels", "data.fake.seed")
@pytest.mark.parametrize("channels", [1, 3])
def test_made_images_are_words_of_a_counter_generator(channels: int) -> None:
    source = load(
        fake={
            "classes": 3, "train": 7, "val": 5, "test": 4, "side": 6, "channels": channels,
            "seed": 11,
        }
    )  # fmt: skip

    assert source.classes == ("0", "1", "2")
    assert source.channels == channels
    assert [len(samples) for _, samples in source.splits()] == [7, 5, 4]
    number = 0
    for _, samples in source.splits():
        for index in range(len(samples)):
            bits = np.random.Philox(key=np.array([11, number], np.uint64), counter=4 << 192)
            bytes_ = bits.random_raw(200).astype("<u8").tobytes()[: 36 * channels]
            expected = np.frombuffer(bytes_, np.uint8).reshape(6, 6, channels)
            np.testing.assert_array_equal(samples.image(index), expected)
            assert samples.labels[index] == number % 3
            number += 1


@pytest.mark.word("data.digits", "data.digits.val_share", "data.digits.split_seed")
@pytest.mark.word("data.digits.noise", "data.digits.labels_per_class")
def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    source = load(digits={"val_share": 0.25, "split_seed": 4})
    noisy = load(digits={"noise": 0.1, "split_seed": 4})
    few = load(digits={"labels_per_class": 5})

    for samples in (source.train, source.val):
        origins = [int(samples.name(i).split()[1]) for i in range(len(samples))]
        np.testing.assert_array_equal(samples.labels, labels[origins])
        seen = np.stack([samples.image(i)[..., 0] for i in range(len(samples))])
        np.testing.assert_array_equal(
            seen, np.round(values[origins].reshape(-1, 8, 8) * 255 / 16).astype(np.uint8)
        )
    assert np.bincount(source.val.labels).tolist() == [
        round(count * 0.25) for count in np.bincount(labels)
    ]
    assert named(source.val, source.classes) != named(load(digits={}).val, source.classes)
    assert np.bincount(few.train.labels).tolist() == [5] * 10
    clean, changed = (
        np.stack([each.train.image(i) for i in range(400)]).astype(float)
        for each in (load(digits={"split_seed": 4}), noisy)
    )
    middle = (clean > 64) & (clean < 192)  # Where nothing is clipped within 2.5 deviations.
    assert np.std((changed - clean)[middle]) == pytest.approx(25.5, rel=0.05)


def test_photos_of_a_published_list_are_decoded_as_any(tmp_path: Path) -> None:
    make_photo_folder(tmp_path / "i", ("a", "b"), per_class=1, size=(8, 6))

    source = load(torchvision={"name": "ImageNet", "path": str(tmp_path / "i")})

    with Image.open(tmp_path / "i" / source.train.name(0)) as image:
        np.testing.assert_array_equal(source.train.image(0), np.asarray(image))
