"""Training goes on where an image turns out bad: another one of its class takes its place."""

import mmap
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
from PIL import Image

from fttrain.data.audit import named, too_many
from fttrain.data.decode import BadImage, Pixels
from fttrain.data.samples import Indices, Labels, Samples

T = TypeVar("T")
_MOST_TRIED = 100


class TooManyBad(Exception):
    """More images cannot be read than the recipe allows."""


class Sparing:
    """Images of which those that cannot be read are spared.

    Which image takes a bad one's place depends on the images alone. Which are bad is seen in all
    processes that are forked from this one, and in this one.
    """

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._known: set[int] = set()
        # Anonymous memory that forked processes share.
        self._marks = np.frombuffer(mmap.mmap(-1, max(len(samples), 1)), np.uint8)

    @property
    def labels(self) -> Labels:
        """The class of each image."""
        return self._samples.labels

    @property
    def given(self) -> Samples:
        """The images as they are, bad ones, too."""
        return self._samples

    def __len__(self) -> int:
        return len(self._samples)

    def image(self, index: int) -> Pixels:
        """Return the pixels of an image, or of the one that takes its place."""
        return np.asarray(self.picture(index))

    def picture(self, index: int) -> Image.Image | Pixels:
        """Return an image, or the one that takes its place.

        Raises:
            BadImage: where none of its class can be read.
        """
        try:
            return self._try(index)
        except BadImage as bad:
            for other in self._others(index):
                try:
                    return self._try(other)
                except BadImage:
                    continue
            raise bad from None

    def name(self, index: int) -> str:
        """Return what a user knows the image by."""
        return self._samples.name(index)

    def digest(self, index: int) -> bytes:
        """Return what tells an image, though another may take its place, from every other."""
        return self._samples.digest(index)

    def is_spared(self, index: int) -> bool:
        """Return whether another image takes the place of this one, as far as is known."""
        return bool(self._marks[index])

    def chosen(self, indices: Indices) -> "Sparing":
        """Return some of the images."""
        return Sparing(self._samples.chosen(indices))

    def news(self) -> dict[str, str]:
        """Return the images that have turned out bad since this was asked, and why."""
        found = set(np.flatnonzero(self._marks).tolist()) - self._known
        self._known |= found
        return {self.name(index): self._why(index) for index in sorted(found)}

    def _try(self, index: int) -> Image.Image | Pixels:
        try:
            return self._samples.picture(index)
        except BadImage:
            self._marks[index] = 1
            raise

    def _others(self, index: int) -> list[int]:
        """Return the images of the same class, beginning with the next."""
        members = np.flatnonzero(self.labels == self.labels[index])
        place = int(np.searchsorted(members, index))
        found: list[int] = np.roll(members, -place)[1 : _MOST_TRIED + 1].tolist()
        return found

    def _why(self, index: int) -> str:
        try:
            self._samples.picture(index)
        except BadImage as bad:
            return bad.why
        return "could not be read for a while"


def watched(
    batches: Iterable[T],
    spared: Sparing,
    *,
    known: dict[str, str],
    allowed: int,
    images: int,
    tell: Callable[[str], None],
) -> Iterator[T]:
    """Yield the batches, and tell of each image that turned out bad meanwhile.

    `known`: those that were known before, which count, too; others join them. `images`: with
    those that the plan left out.

    Raises:
        TooManyBad: where there are more than allowed.
    """
    for batch in batches:
        news = {name: why for name, why in spared.news().items() if name not in known}
        known |= news
        if news and len(known) > allowed:
            raise TooManyBad(f"{too_many(len(known), images)}: {named(known)}")
        for name, why in news.items():
            tell(f"{name} {why}; another image of its class takes its place")
        yield batch
