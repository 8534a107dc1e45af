"""Published sets of images, tiny and made up, in the very files that are published."""

import json
import pickle
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tests.photos import photo

_SIDE = (8, 8)


class _OfPython2(pickle._Pickler):
    """Writes texts as the published files have them: made by Python 2."""

    dispatch: ClassVar[Any] = dict(pickle._Pickler.dispatch)

    def save_bytes(self: Any, text: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(text)) + text)
        self.memoize(text)

    dispatch[bytes] = save_bytes


def noise(count: int, *, seed: int, width: int = 3072) -> NDArray[np.uint8]:
    """Return so many flat images."""
    return np.random.default_rng(seed).integers(0, 256, (count, width), np.uint8)


def pickled(path: Path, body: dict[str, Any]) -> None:
    """Write a batch of CIFAR."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        pickler = _OfPython2(file, protocol=2)
        pickler.dump({key.encode(): value for key, value in body.items()})


def make_cifar10(root: Path) -> Path:
    """Make 100 images to train on and 10 to test on; return what torchvision calls root."""
    folder = root / "cifar-10-batches-py"
    labels = [i % 10 for i in range(20)]
    for number in range(1, 6):
        body = {"data": noise(20, seed=number), "labels": labels}
        pickled(folder / f"data_batch_{number}", body)
    pickled(folder / "test_batch", {"data": noise(10, seed=9), "labels": labels[:10]})
    pickled(folder / "batches.meta", {"label_names": [b"c%d" % i for i in range(10)]})
    return root


def make_cifar100(root: Path) -> Path:
    """Make 200 images to train on and 100 to test on."""
    folder = root / "cifar-100-python"
    for name, count in (("train", 200), ("test", 100)):
        fine = [i % 100 for i in range(count)]
        body = {"data": noise(count, seed=count), "fine_labels": fine, "coarse_labels": fine}
        pickled(folder / name, body)
    pickled(folder / "meta", {"fine_label_names": [b"f%d" % i for i in range(100)]})
    return root


def make_food101(root: Path) -> Path:
    """Make two dishes: twelve photos to train on, four to test on."""
    folder = root / "food-101"
    lists: dict[str, dict[str, list[str]]] = {"train": {}, "test": {}}
    for label, name in enumerate(("waffles", "apple_pie")):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(8):
            photo(label, _SIDE, seed=str(number)).save(folder / "images" / name / f"{number}.jpg")
            which = "train" if number < 6 else "test"
            lists[which].setdefault(name, []).append(f"{name}/{number}")
    (folder / "meta").mkdir()
    for which, body in lists.items():
        (folder / "meta" / f"{which}.json").write_text(json.dumps(body))
    return root


def make_stanford_cars(root: Path) -> Path:
    """Make two models of cars: twelve photos to train on, six to test on."""
    from scipy.io import savemat

    folder = root / "stanford_cars"
    (folder / "devkit").mkdir(parents=True)
    classes = np.array(["Volvo 240 Sedan 1993", "Audi S6 Sedan 2011"], object)
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": classes})
    kinds = [(name, object) for name in ("bbox_x1", "class", "fname")]
    for place, table, count in (
        ("cars_train", "devkit/cars_train_annos.mat", 12),
        ("cars_test", "cars_test_annos_withlabels.mat", 6),
    ):
        (folder / place).mkdir()
        rows = np.array([(1, 1 + i % 2, f"{i:05d}.jpg") for i in range(count)], kinds)
        savemat(folder / table, {"annotations": rows})
        for i in range(count):
            photo(i % 2, _SIDE, seed=str(i)).save(folder / place / f"{i:05d}.jpg")
    return root


def make_cub200(root: Path) -> Path:
    """Make two birds: sixteen photos to train on, eight to test on; return CUB_200_2011."""
    classes = ["001.Black_footed_Albatross", "002.Laysan_Albatross"]
    lists: dict[str, list[str]] = {"images": [], "image_class_labels": [], "train_test_split": []}
    for number in range(1, 25):
        label, is_train = number % 2, number % 3 > 0
        path = f"{classes[label]}/{number:04d}.jpg"
        (root / "images" / classes[label]).mkdir(parents=True, exist_ok=True)
        photo(label, _SIDE, seed=str(number)).save(root / "images" / path)
        lists["images"].append(f"{number} {path}")
        lists["image_class_labels"].append(f"{number} {label + 1}")
        lists["train_test_split"].append(f"{number} {int(is_train)}")
    lists["classes"] = [f"{i} {name}" for i, name in enumerate(classes, start=1)]
    for name, lines in lists.items():
        (root / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return root
