"""The first part of what a view does to an image: whatever leaves nothing to chance.

Decoding, resizing, cropping, and changes at the head of the list that always come. It is the same
in each epoch and in each job, so it can be done once and kept.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import Any, Protocol, Self

from fttrain.data.augment import check, crops
from fttrain.data.augment.apply import applied
from fttrain.data.augment.picture import FILTERS, Picture, image
from fttrain.data.chance import Draws
from fttrain.data.decode import Pixels
from fttrain.data.samples import Arrays, Indices, Samples
from fttrain.data.sparing import Sparing
from fttrain.spec.augmentation import Augmentation
from fttrain.spec.images import Preprocess

# Done or not: chance has no other part in them.
PLAIN = frozenset(
    {
        "resize", "center_crop", "grayscale", "adjust_sharpness", "autocontrast", "equalize",
        "invert", "posterize", "solarize", "horizontal_flip", "vertical_flip",
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Groundwork:
    """Resize and crop, unless changes do that instead, and the changes that always come first."""

    preprocess: Preprocess
    is_framed: bool
    lead: Sequence[Augmentation] = ()

    @classmethod
    def of(cls, preprocess: Preprocess, augment: Sequence[Augmentation] = ()) -> Self:
        """Return the groundwork of a list of changes."""
        lead = tuple(takewhile(_is_steady, augment))
        is_framed = not check.frames_itself(augment)
        return cls(preprocess=preprocess, is_framed=is_framed, lead=lead)

    def done(self, picture: Picture) -> Picture:
        """Return a picture after it."""
        if self.is_framed:
            picture = framed(picture, self.preprocess)
        for choice in self.lead:
            picture = applied(picture, choice, Draws(), self.preprocess)
        return picture

    @property
    def is_nothing(self) -> bool:
        """True if it leaves every picture as it is."""
        steps = self.preprocess
        frames = self.is_framed and (steps.resize is not None or steps.crop is not None)
        return not frames and not self.lead

    @property
    def side(self) -> int | None:
        """The side of what it makes of images of any size; None where it is not certain."""
        return check.followed(self.preprocess.crop if self.is_framed else None, self.lead)

    @property
    def card(self) -> dict[str, Any]:
        """What decides about the pixels that it makes."""
        steps = self.preprocess
        frame = {"resize": steps.resize, "crop": steps.crop} if self.is_framed else {}
        return {
            "frame": {name: side for name, side in frame.items() if side is not None},
            "interpolation": steps.interpolation,
            "lead": [choice.model_dump(mode="json") for choice in self.lead],
        }

    @cached_property
    def digest(self) -> str:
        """What tells it from others that make other pixels."""
        return hashlib.sha256(json.dumps(self.card, sort_keys=True).encode()).hexdigest()


class Grounds(Protocol):
    """Where pictures come from that the groundwork is done on."""

    @property
    def lacks_room(self) -> bool:
        """True if some could not be kept that should be."""
        ...

    def picture(self, index: int, ground: Groundwork) -> Picture:
        """Return an image after its groundwork.

        Raises:
            BadImage: where it cannot be read.
        """
        ...

    def rows(self, indices: Indices, ground: Groundwork) -> Pixels | None:
        """Return images at once, (N, height, width, channels); None where that does not pay."""
        ...

    def turn(self, epoch: int) -> None:
        """Take note of the epoch under way."""
        ...

    def settle(self) -> None:
        """Do what can wait until there is time."""
        ...

    def close(self) -> None:
        """Let go of what is held. May be called again."""
        ...


@dataclass(frozen=True, slots=True)
class Fresh:
    """Pictures that are made each time."""

    samples: Samples
    lacks_room: bool = field(default=False, init=False)

    def picture(self, index: int, ground: Groundwork) -> Picture:
        """Return an image after its groundwork."""
        return ground.done(self.samples.picture(index))

    def rows(self, indices: Indices, ground: Groundwork) -> Pixels | None:
        """Return images that are in memory as they are."""
        samples = self.samples.given if isinstance(self.samples, Sparing) else self.samples
        if not isinstance(samples, Arrays) or not ground.is_nothing:
            return None
        pixels: Pixels = samples.pixels[indices]
        return pixels

    def turn(self, epoch: int) -> None:
        """Do nothing: all epochs are alike."""

    def settle(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def framed(picture: Picture, preprocess: Preprocess) -> Picture:
    """Return a picture resized and cropped."""
    if preprocess.resize is not None:
        sampling = FILTERS[preprocess.interpolation]
        picture = crops.resized(image(picture), preprocess.resize, sampling)
    if preprocess.crop is not None:
        picture = crops.centre_cropped(image(picture), preprocess.crop)
    return picture


def _is_steady(choice: Augmentation) -> bool:
    return choice.kind in PLAIN and choice.value.p == 1
