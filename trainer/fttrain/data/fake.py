"""Made images: noise, the same for the same numbers. For trials without data."""

import hashlib
from dataclasses import dataclass

import numpy as np

from fttrain.data import chance
from fttrain.data.decode import Pixels
from fttrain.data.samples import Indices, Labels, Source
from fttrain.spec.images import Preprocess
from fttrain.spec.origins import Fake

_PURPOSE = 4  # Keeps the noise apart from other chance of the same seed.


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Images that are made as they are asked for."""

    spec: Fake
    numbers: Indices
    """Of the images, counted over all splits."""

    @property
    def labels(self) -> Labels:
        """The class of each image: they take turns."""
        return self.numbers % self.spec.classes

    def __len__(self) -> int:
        return len(self.numbers)

    def image(self, index: int) -> Pixels:
        """Return the pixels of one image, each value evenly from 0 to 255."""
        side, channels = self.spec.side, self.spec.channels
        count = side * side * channels
        words = chance.words(
            -(-count // 8), seed=self.spec.seed, part=int(self.numbers[index]), purpose=_PURPOSE
        )
        return words.astype("<u8").view(np.uint8)[:count].reshape(side, side, channels)

    def picture(self, index: int) -> Pixels:
        """Return the pixels of one image."""
        return self.image(index)

    def name(self, index: int) -> str:
        """Return what one image is called."""
        return f"made image {self.numbers[index]}"

    def digest(self, index: int) -> bytes:
        """Return a digest of what one image is made of."""
        made_of = (self.spec.seed, self.spec.side, self.spec.channels, int(self.numbers[index]))
        return hashlib.blake2b(repr(made_of).encode()).digest()

    def chosen(self, indices: Indices) -> "Noise":
        """Return some of the images."""
        return Noise(spec=self.spec, numbers=self.numbers[indices])


def load(spec: Fake) -> Source:
    """Return made images."""
    ends = np.cumsum([spec.train, spec.val, spec.test])
    every = np.arange(ends[-1], dtype=np.int64)
    train, val, test = (Noise(spec=spec, numbers=numbers) for numbers in np.split(every, ends[:-1]))
    return Source(
        name="made images",
        classes=tuple(str(label) for label in range(spec.classes)),
        channels=spec.channels,
        left_out=(),
        fingerprint=hashlib.sha256(spec.model_dump_json().encode()).hexdigest(),
        train=train,
        val=val,
        test=test if spec.test else None,
        preprocess=Preprocess(mean=[0.5], std=[0.5]),
    )
