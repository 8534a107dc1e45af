"""Labelled images that a trained model is evaluated on: its classes by name, no splits."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from fttrain.data import found, manifest
from fttrain.data.decode import Decoding, Pixels
from fttrain.data.found import named
from fttrain.data.samples import Files, Indices, Labels, Samples
from fttrain.data.tree import EXTENSIONS, Classes, natural, scan
from fttrain.spec.faults import RecipeFaults

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
"""How the name of a table ends; everything else is a folder."""


class BadData(Exception):
    """Images that a model cannot be evaluated on; each line is for its user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Images with the numbers that the model's classes have."""

    name: str
    samples: Files
    missing: tuple[str, ...] = ()
    """Classes of the model without an image."""
    left_out: tuple[str, ...] = field(default=(), repr=False)
    """Files that are no images."""


def load(
    path: Path, title: str, classes: Sequence[str], how: Decoding, *, allow_missing: bool
) -> Labelled:
    """Find the images of a table, or of a folder with a subfolder for each class.

    `title` is what their user calls them; `classes` are the model's. Reads names, not pixels.

    Raises:
        BadData: where they are not there, or have other classes than the model.
    """
    root, there, left_out = _listed(path) if _is_table(path) else _scanned(path, title)
    filled = {name: entries for name, entries in there.items() if entries}
    missing = tuple(name for name in classes if name not in filled)
    if unknown := sorted(there.keys() - set(classes), key=natural):
        raise BadData(_unknown(path, title, unknown, [*there], classes))
    if not filled:
        raise BadData(f"{title} has no images; read are {', '.join(EXTENSIONS)}")
    if missing and not allow_missing:
        raise BadData(
            f"{title} has no image of {named(missing)}, which the model knows; add some, or "
            "allow it (--allow-missing)"
        )
    samples = found.files_of(root, filled, classes, how)
    return Labelled(name=title, samples=samples, missing=missing, left_out=left_out)


class Grey:
    """Images as a net for one channel sees them."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    @property
    def labels(self) -> Labels:
        """The class of each image."""
        return self._samples.labels

    def __len__(self) -> int:
        return len(self._samples)

    def image(self, index: int) -> Pixels:
        """Return the pixels, (height, width, 1)."""
        return np.asarray(self.picture(index))[..., None]

    def picture(self, index: int) -> Image.Image:
        """Return the image in grey."""
        picture = self._samples.picture(index)
        assert isinstance(picture, Image.Image), "files are read by Pillow"
        return picture.convert("L")

    def name(self, index: int) -> str:
        """Return what a user knows the image by."""
        return self._samples.name(index)

    def digest(self, index: int) -> bytes:
        """Return what tells an image from every other, and from itself in colour."""
        return hashlib.blake2b(b"grey" + self._samples.digest(index)).digest()

    def chosen(self, indices: Indices) -> "Grey":
        """Return some of the images."""
        return Grey(self._samples.chosen(indices))


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLES


def _listed(path: Path) -> tuple[Path, Classes, tuple[str, ...]]:
    try:
        root, there = manifest.every(str(path))
    except RecipeFaults as bad:
        raise BadData("\n".join(fault.description for fault in bad.faults)) from None
    return root, there, ()


def _scanned(path: Path, title: str) -> tuple[Path, Classes, tuple[str, ...]]:
    try:
        there, left_out = scan(os.fsencode(path), b"")
    except FileNotFoundError:
        raise BadData(f"{title} does not exist on the daemon's machine") from None
    except NotADirectoryError:
        what = f"{title} is neither a folder nor a table ({', '.join(TABLES)})"
        raise BadData(what) from None
    except PermissionError as error:
        raise BadData(f"{error.filename} cannot be read: permission denied") from None
    if not there:
        raise BadData(f"{title} has no folders, one is needed per class: CLASS/*.jpg")
    return path, there, tuple(os.fsdecode(name) for name in sorted(left_out))


def _unknown(
    path: Path, title: str, unknown: Sequence[str], there: Sequence[str], classes: Sequence[str]
) -> str:
    parts = [name for name in unknown if not _is_table(path) and _has_classes(path / name, classes)]
    if parts:
        which = " or ".join(f"{title}/{name}" for name in parts)
        return f"{title} has its classes one folder further down; say {which}"
    absent = [name for name in classes if name not in there]
    return (
        f"{title} has {named(unknown)}, which the model does not know; "
        f"it knows {named(classes)}{found.meant(unknown, absent)}"
    )


def _has_classes(folder: Path, classes: Sequence[str]) -> bool:
    return any((folder / name).is_dir() for name in classes)
