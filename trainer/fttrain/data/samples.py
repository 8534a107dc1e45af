"""What a source of images turned out to hold."""

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fttrain.data import decode
from fttrain.data.decode import PLAIN, Decoding
from fttrain.spec.images import Preprocess

Labels = NDArray[np.int64]
Indices = NDArray[np.int64]


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

    def digest(self, index: int) -> bytes:
        """Return what tells an image from every other, wherever it lies.

        Raises:
            OSError: where its file is gone.
        """
        ...

    def chosen(self, indices: Indices) -> Self:
        """Return some of the images, in the order of the indices."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Images to train and to validate on, and perhaps to test on."""

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
    preprocess: Preprocess | None = None
    """What the source itself says; None where it says nothing."""
    test: Samples | None = None
    """Locked: read once, at the very end, by the best checkpoint."""
    is_drawn: bool = False
    """True where we decided which image goes into which split."""
    notices: tuple[str, ...] = ()
    """What its user should know of it."""

    def splits(self) -> Iterator[tuple[str, Samples]]:
        """Yield the name and the images of each split."""
        yield "train", self.train
        yield "val", self.val
        if self.test is not None:
            yield "test", self.test

    def with_splits(self, splits: Mapping[str, Samples]) -> "Source":
        """Return it with other images in its splits."""
        return replace(
            self, train=splits["train"], val=splits["val"], test=splits.get("test", None)
        )

    def without(self, names: Collection[str]) -> "Source":
        """Return it without the images of some names."""
        return (
            self.with_splits({split: _without(samples, names) for split, samples in self.splits()})
            if names
            else self
        )


class Files:
    """Image files under a root.

    Paths lie in one blob of bytes: a list of strings would be copied page by page into every
    loader process as its reference counts are touched.
    """

    def __init__(
        self, root: Path, paths: Sequence[bytes], labels: Labels, how: Decoding = PLAIN
    ) -> None:
        self.labels = labels
        self.how = how
        self._root = os.fsencode(root)
        self._blob = b"".join(paths)
        self._ends = np.cumsum([len(path) for path in paths], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> decode.Pixels:
        """Return the pixels of one file."""
        return decode.decode(self.path(index), self.how)

    def picture(self, index: int) -> Image.Image:
        """Return one file, read but not copied into an array."""
        return decode.picture(self.path(index), self.how)

    def name(self, index: int) -> str:
        """Return a file's path relative to the root."""
        return printable(self._relative(index))

    def digest(self, index: int) -> bytes:
        """Return a digest of one file's bytes, and of how they become pixels."""
        digest = hashlib.blake2b(repr(self.how).encode())
        digest.update(self.path(index).read_bytes())
        return digest.digest()

    def chosen(self, indices: Indices) -> "Files":
        """Return some of the files."""
        paths = [self._relative(index) for index in indices.tolist()]
        return Files(Path(os.fsdecode(self._root)), paths, self.labels[indices], self.how)

    def path(self, index: int) -> Path:
        """Return where a file lies."""
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

    def digest(self, index: int) -> bytes:
        """Return a digest of one image's pixels."""
        pixels = self.pixels[index]
        return hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes()).digest()

    def chosen(self, indices: Indices) -> "Arrays":
        """Return some of the images."""
        return replace(
            self,
            pixels=self.pixels[indices],
            labels=self.labels[indices],
            origins=self.origins[indices],
        )


def printable(path: bytes) -> str:
    """Return a path as text that can be stored anywhere, whatever bytes it has."""
    return path.decode(errors="backslashreplace")


def _without(samples: Samples, names: Collection[str]) -> Samples:
    kept = [index for index in range(len(samples)) if samples.name(index) not in names]
    return samples if len(kept) == len(samples) else samples.chosen(np.array(kept, np.int64))
