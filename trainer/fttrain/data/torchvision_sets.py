"""The sets that torchvision knows, from the files that it keeps of them.

They are read here, and by no code that unpickles whatever a file says.
"""

import contextlib
import gzip
import hashlib
import importlib.util
import io
import json
import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fttrain.data import folder, published
from fttrain.data.decode import Decoding, Pixels
from fttrain.data.published import NotThere
from fttrain.data.samples import Labels, Source
from fttrain.spec.origins import TorchvisionSet

_FIELD = "data.torchvision"
_DOWNLOADS = ("CIFAR10", "CIFAR100", "FashionMNIST", "Food101")
FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
)  # fmt: skip


def load(spec: TorchvisionSet, how: Decoding) -> Source:
    """Return a set.

    Raises:
        RecipeFaults: where its files are missing or not of their format, or cannot be fetched.
    """
    read = _READERS[spec.name]
    try:
        return read(spec, how)
    except NotThere as error:
        if not spec.download:
            raise published.fault(f"{_FIELD}.path", f"{error}{_advice(spec)}") from None
    _download(spec)
    try:
        return read(spec, how)
    except NotThere as error:
        raise published.fault(f"{_FIELD}.path", str(error)) from None


def _advice(spec: TorchvisionSet) -> str:
    if spec.name in _DOWNLOADS:
        return "; put the files there, or say `download: true`"
    return f"; put the files there: {spec.name} cannot be downloaded without an account"


def _download(spec: TorchvisionSet) -> None:
    if spec.name not in _DOWNLOADS:
        what = f"{spec.name} cannot be downloaded without an account; put it at {spec.path}"
        raise published.fault(f"{_FIELD}.download", what)
    from torchvision import datasets

    try:
        # It shows a bar on stdout, which is no place for one.
        with contextlib.redirect_stdout(sys.stderr):
            getattr(datasets, spec.name)(spec.path, download=True)
    except (OSError, RuntimeError) as error:
        what = f"{spec.name} cannot be downloaded: {error}; put its files at {spec.path}"
        raise published.fault(f"{_FIELD}.download", what) from None


# --- arrays -----------------------------------------------------------------------------------


def _cifar10(spec: TorchvisionSet, how: Decoding) -> Source:
    root = Path(spec.path) / "cifar-10-batches-py"
    train = [root / f"data_batch_{number}" for number in range(1, 6)]
    names = {"labels": b"labels", "classes": b"label_names"}
    return _cifar(spec, train, [root / "test_batch"], root / "batches.meta", names)


def _cifar100(spec: TorchvisionSet, how: Decoding) -> Source:
    root = Path(spec.path) / "cifar-100-python"
    names = {"labels": b"fine_labels", "classes": b"fine_label_names"}
    return _cifar(spec, [root / "train"], [root / "test"], root / "meta", names)


def _cifar(
    spec: TorchvisionSet, train: list[Path], test: list[Path], meta: Path, names: Mapping[str, Any]
) -> Source:
    digest = hashlib.sha256()

    def read(paths: list[Path]) -> tuple[Pixels, Labels]:
        batches = [_unpickled(path, digest.update) for path in paths]
        with _of_its_format(paths[0]):
            pixels = np.concatenate([batch[b"data"] for batch in batches]).astype(np.uint8)
            labels = [label for batch in batches for label in batch[names["labels"]]]
            planes = pixels.reshape(len(labels), 3, 32, 32)
            return planes.transpose(0, 2, 3, 1), np.array(labels, np.int64)

    with _of_its_format(meta):
        classes = [_text(name) for name in _unpickled(meta, digest.update)[names["classes"]]]
    return _in_memory(spec, classes, read(train), read(test), digest)


def _fashion(spec: TorchvisionSet, how: Decoding) -> Source:
    root, digest = Path(spec.path) / "FashionMNIST" / "raw", hashlib.sha256()

    def read(which: str) -> tuple[Pixels, Labels]:
        images = _idx(root / f"{which}-images-idx3-ubyte", digest.update)
        labels = _idx(root / f"{which}-labels-idx1-ubyte", digest.update)
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise NotThere(f"{root}: images and labels of {which} do not go together")
        return images[..., None], labels.astype(np.int64)

    return _in_memory(spec, FASHION, read("train"), read("t10k"), digest)


def _in_memory(
    spec: TorchvisionSet,
    classes: Any,
    train: tuple[Pixels, Labels],
    test: tuple[Pixels, Labels],
    digest: Any,
) -> Source:
    digest.update(spec.model_dump_json(exclude={"path", "download"}).encode())
    return published.arrays(
        spec, name=f"{spec.name} {spec.path}", classes=classes, train=train, test=test,
        fingerprint=digest.hexdigest(),
    )  # fmt: skip


def _idx(path: Path, update: Callable[[bytes], object]) -> Pixels:
    """Read a file of bytes in the IDX format, packed or not."""
    data = _bytes(path) if path.exists() else _unpacked(path.with_name(f"{path.name}.gz"), path)
    update(data)
    dimensions = data[3] if data[:3] == b"\0\0\x08" else 0
    shape = np.frombuffer(data[4 : 4 + 4 * dimensions], ">u4").tolist()
    if not dimensions or len(data) != 4 + 4 * dimensions + int(np.prod(shape)):
        raise NotThere(f"{path} is not in the format IDX of bytes, or not whole")
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _unpacked(packed: Path, path: Path) -> bytes:
    try:
        return gzip.decompress(_bytes(packed) if packed.exists() else _bytes(path))
    except (OSError, EOFError) as error:
        raise NotThere(f"{packed} cannot be unpacked: {error}") from None


# --- files ------------------------------------------------------------------------------------


def _food(spec: TorchvisionSet, how: Decoding) -> Source:
    root = Path(spec.path) / "food-101"
    lists = {which: _json(root / "meta" / f"{which}.json") for which in ("train", "test")}
    items = {
        which: [(f"images/{name}.jpg", label) for label in listed for name in listed[label]]
        for which, listed in lists.items()
    }
    return published.files(
        spec, name=f"Food101 {spec.path}", root=root, classes=sorted(lists["train"]), **items
    ).source(how)


def _cars(spec: TorchvisionSet, how: Decoding) -> Source:
    root = Path(spec.path) / "stanford_cars"
    classes = [str(name) for name in _matlab(root / "devkit" / "cars_meta.mat")["class_names"]]
    places = {
        "train": ("cars_train", root / "devkit" / "cars_train_annos.mat"),
        "test": ("cars_test", root / "cars_test_annos_withlabels.mat"),
    }
    items = {}
    for which, (place, table) in places.items():
        with _of_its_format(table):
            items[which] = [
                (f"{place}/{row['fname']}", classes[int(row["class"]) - 1])
                for row in np.atleast_1d(_matlab(table)["annotations"])
            ]
    return published.files(
        spec, name=f"StanfordCars {spec.path}", root=root, classes=classes, **items
    ).source(how)


def _imagenet(spec: TorchvisionSet, how: Decoding) -> Source:
    if (spec.val_share, spec.split_seed, spec.validate_on_test) != (0.1, 0, False):
        what = "ImageNet has images to validate on: leave out val_share and split_seed"
        raise published.fault(f"{_FIELD}.name", what)
    return folder.load_tree(_FIELD, f"ImageNet {spec.path}", Path(spec.path)).source(how)


def _matlab(path: Path) -> Any:
    if importlib.util.find_spec("scipy") is None:
        what = "needs scipy, which is not installed: pip install 'finetuned[demo]'"
        raise published.fault(f"{_FIELD}.name", f"StanfordCars {what}")
    from scipy.io import loadmat

    data = io.BytesIO(_bytes(path))
    try:
        return loadmat(data, squeeze_me=True)
    except (ValueError, TypeError, RuntimeError) as error:
        # The last kind of files of MATLAB 7.3, which scipy does not read.
        raise NotThere(f"{path} is no table of MATLAB: {error}") from None


# --- reading ----------------------------------------------------------------------------------


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotThere(f"{path} cannot be read: {error.strerror}") from None


def _json(path: Path) -> dict[str, list[str]]:
    text = _bytes(path)
    with _of_its_format(path):
        return {str(label): list(map(str, names)) for label, names in json.loads(text).items()}


@contextlib.contextmanager
def _of_its_format(path: Path) -> Any:
    try:
        yield
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise NotThere(f"{path} is not of its format: {error!r}") from None


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


_ARRAYS = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): lambda text, coding: bytes(text, coding),
}


class _Plain(pickle.Unpickler):
    """Makes numbers, texts, lists and arrays, and refuses all else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle may make."""
        if name == "_reconstruct" and module in (
            "numpy.core.multiarray",
            "numpy._core.multiarray",
        ):
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        if (module, name) not in _ARRAYS:
            raise pickle.UnpicklingError(f"it wants {module}.{name}")
        return _ARRAYS[module, name]


def _unpickled(path: Path, update: Callable[[bytes], object]) -> dict[bytes, Any]:
    data = _bytes(path)
    update(data)
    try:
        made = _Plain(io.BytesIO(data), encoding="bytes").load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError) as error:
        raise NotThere(f"{path} is no batch of images: {error}") from None
    if not isinstance(made, dict):
        raise NotThere(f"{path} is no batch of images")
    return {key.encode() if isinstance(key, str) else key: value for key, value in made.items()}


_READERS: Mapping[str, Callable[[TorchvisionSet, Decoding], Source]] = {
    "CIFAR10": _cifar10,
    "CIFAR100": _cifar100,
    "FashionMNIST": _fashion,
    "Food101": _food,
    "StanfordCars": _cars,
    "ImageNet": _imagenet,
}
