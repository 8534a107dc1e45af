"""What a source of images turned out to hold."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fttrain.data import decode
from fttrain.spec.images import Preprocess

Labels = NDArray[np.int64]


class Samples(Protocol):
    """Labelled images, by index from 0. Cheap to share with forked processes."""

    @property
    def labels(self) -> Labels:
        """The class of each image, (N,)."""
        ...

    def __len__(self) -> int: ...

    def image(self, index: int) -> decode.Pixels:
        """Return the pixels, (height, width, channels).

        Raises:
            BadImage: where the file cannot be read.
        """
        ...

    def picture(self, index: int) -> Image.Image | decode.Pixels:
        """Return the image in whichever form is at hand without a copy."""
        ...

    def name(self, index: int) -> str:
        """Return what a user knows the image by."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Images to train and to validate on."""

    name: str
    """`folder /data/x`, `digits`."""
    classes: tuple[str, ...]
    """In natural order: 1, 2, 10."""
    channels: int
    left_out: tuple[str, ...]
    """Files that are no images, by path relative to the root, each once."""
    fingerprint: str
    """SHA-256 in hexadecimal; another one where the images are others."""
    train: Samples
    val: Samples
    preprocess: Preprocess | None
    """What the source itself says; None where it says nothing."""


class Files:
    """Image files under a root.

    Paths lie in one blob of bytes: a list of strings would be copied page by page into every
    loader process as its reference counts are touched.
    """

    def __init__(self, root: Path, paths: Sequence[bytes], labels: Labels) -> None:
        self.labels = labels
        self._root = os.fsencode(root)
        self._blob = b"".join(paths)
        self._ends = np.cumsum([len(path) for path in paths], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> decode.Pixels:
        """Return the pixels of one file."""
        return decode.decode(self._path(index))

    def picture(self, index: int) -> Image.Image:
        """Return one file, read but not copied into an array."""
        return decode.picture(self._path(index))

    def name(self, index: int) -> str:
        """Return a file's path relative to the root."""
        return printable(self._relative(index))

    def _path(self, index: int) -> Path:
        return Path(os.fsdecode(os.path.join(self._root, self._relative(index))))  # noqa: PTH118

    def _relative(self, index: int) -> bytes:
        begin = int(self._ends[index - 1]) if index else 0
        return self._blob[begin : int(self._ends[index])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrays:
    """Images that are in memory."""

    pixels: NDArray[np.uint8]
    """(N, height, width, channels)."""
    labels: Labels
    origins: NDArray[np.int64] = field(repr=False)
    """The number of each image in the set that it was taken from."""
    what: str
    """What one image is called: `digit`."""

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> decode.Pixels:
        """Return the pixels of one image."""
        pixels: decode.Pixels = self.pixels[index]
        return pixels

    def picture(self, index: int) -> decode.Pixels:
        """Return the pixels of one image."""
        return self.image(index)

    def name(self, index: int) -> str:
        """Return what one image is called, with its number."""
        return f"{self.what} {self.origins[index]}"


def printable(path: bytes) -> str:
    """Return a path as text that can be stored anywhere, whatever bytes it has."""
    return path.decode(errors="backslashreplace")
