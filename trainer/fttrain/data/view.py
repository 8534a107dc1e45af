"""How an image becomes what the net sees: the same pixels as torchvision's transforms on PIL.

A view ends at bytes; `normalise` turns a batch of them into the net's numbers.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from fttrain.data.augment import batched, check
from fttrain.data.augment.apply import applied
from fttrain.data.augment.picture import Picture, array
from fttrain.data.chance import Draws, ManyDraws
from fttrain.data.decode import Pixels
from fttrain.data.ground import Groundwork
from fttrain.data.order import Indices
from fttrain.spec.augmentation import Augmentation
from fttrain.spec.faults import Fault
from fttrain.spec.images import Data, Preprocess
from fttrain.spec.recipe import Recipe

_TURNS = 2  # Keeps the turns of views apart from other chance of the same seed.


class View(Protocol):
    """From a picture to pixels, a pure function of its arguments."""

    def ground(self, epoch: int) -> Groundwork:
        """Return what it does first, to every image in the same way."""
        ...

    def finished(self, picture: Picture, *, epoch: int, index: int, repeat: int) -> Pixels:
        """Return what the net sees of a picture after its groundwork, (height, width, channels).

        `repeat` counts, from 0, how often the image stood in the epoch before.
        """
        ...

    def is_batched(self, epoch: int) -> bool:
        """Return whether all but the groundwork could be done with many pictures at once."""
        ...

    def changed(
        self, rows: Pixels, *, epoch: int, indices: Indices, repeats: Indices
    ) -> Pixels | None:
        """Do as `finished` with pictures at once, (N, height, width, channels).

        Returns None where only one at a time can be done.
        """
        ...


@dataclass(frozen=True, slots=True)
class EvalView:
    """What is always the same: resize, centre crop."""

    preprocess: Preprocess

    def __call__(self, image: Picture, *, epoch: int = 0, index: int = 0) -> Tensor:
        """Return a byte tensor, (channels, height, width)."""
        return _tensor(self.pixels(image, epoch=epoch, index=index))

    def pixels(
        self, picture: Picture, *, epoch: int = 0, index: int = 0, repeat: int = 0
    ) -> Pixels:
        """Return what the net sees; epoch, index and repeat do not matter."""
        return array(self.ground(epoch).done(picture))

    def ground(self, epoch: int) -> Groundwork:
        """Return all that it does."""
        return Groundwork.of(self.preprocess)

    def finished(self, picture: Picture, *, epoch: int, index: int, repeat: int) -> Pixels:
        """Return a picture as it is."""
        return array(picture)

    def is_batched(self, epoch: int) -> bool:
        """Return True: there is nothing to do."""
        return True

    def changed(
        self, rows: Pixels, *, epoch: int, indices: Indices, repeats: Indices
    ) -> Pixels | None:
        """Return pictures as they are."""
        return rows


@dataclass(frozen=True, slots=True)
class TrainView:
    """What is seen in training: the augmentations, as (seed, epoch, index, place in the list,
    repeat) draw them. Where one of them makes a size, they take the place of resize and crop."""

    preprocess: Preprocess
    augment: Sequence[Augmentation]
    seed: int
    views: int | None = None
    """So often the changes of an image are drawn, and epochs take turns; None: for each epoch."""

    def __call__(self, image: Picture, *, epoch: int, index: int, repeat: int = 0) -> Tensor:
        """Return a byte tensor, (channels, height, width)."""
        return _tensor(self.pixels(image, epoch=epoch, index=index, repeat=repeat))

    def pixels(self, picture: Picture, *, epoch: int, index: int, repeat: int = 0) -> Pixels:
        """Return what the net sees."""
        grounded = self.ground(epoch).done(picture)
        return self.finished(grounded, epoch=epoch, index=index, repeat=repeat)

    def ground(self, epoch: int) -> Groundwork:
        """Return what it does first; epochs do not matter."""
        return Groundwork.of(self.preprocess, self.augment)

    def finished(self, picture: Picture, *, epoch: int, index: int, repeat: int) -> Pixels:
        """Return what the net sees of a picture after its groundwork."""
        if self.views is not None:
            epoch, repeat = self.turn(epoch=epoch, index=index, repeat=repeat), 0
        return self.drawn(picture, epoch=epoch, index=index, repeat=repeat)

    def turn(self, *, epoch: int, index: int, repeat: int) -> int:
        """Return which of its views, from 0, an image has in an epoch, from 1."""
        assert self.views is not None
        first = Draws(self.seed, index, _TURNS).below(self.views)
        return (first + epoch - 1 + repeat) % self.views

    def drawn(self, picture: Picture, *, epoch: int, index: int, repeat: int) -> Pixels:
        """Return a picture, after its groundwork, with the changes that are drawn for epoch, index
        and repeat."""
        for place, choice in self.rest:
            draws = Draws(self.seed, epoch, index, place, repeat)
            picture = applied(picture, choice, draws, self.preprocess)
        return array(picture)

    def is_batched(self, epoch: int) -> bool:
        """Return whether there are crops and flips alone; epochs do not matter."""
        return batched.knows([choice for _, choice in self.rest])

    def changed(
        self, rows: Pixels, *, epoch: int, indices: Indices, repeats: Indices
    ) -> Pixels | None:
        """Return what the net sees of pictures, where all that is left to do can be done so."""
        if not batched.can_do([choice for _, choice in self.rest], rows.shape[1:3]):
            return None
        epochs, repeats = self._turns(epoch, indices, repeats)
        for place, choice in self.rest:
            columns = np.broadcast_arrays(self.seed, epochs, indices, place, repeats)
            draws = ManyDraws(np.stack(columns, axis=1).astype(np.uint64))
            rows = batched.applied(rows, choice, draws)
        return rows

    def _turns(self, epoch: int, indices: Indices, repeats: Indices) -> tuple[Indices, Indices]:
        """Return for which epoch and repeat the changes of each image are drawn."""
        if self.views is None:
            return np.full_like(indices, epoch), repeats
        columns = np.broadcast_arrays(self.seed, indices, _TURNS)
        first = ManyDraws(np.stack(columns, axis=1).astype(np.uint64)).below(self.views)
        return (first + epoch - 1 + repeats) % self.views, np.zeros_like(repeats)

    @property
    def rest(self) -> list[tuple[int, Augmentation]]:
        """The changes after the groundwork, with their places in the list."""
        return list(enumerate(self.augment))[len(self.ground(0).lead) :]


def of(recipe: Recipe, preprocess: Preprocess) -> TrainView:
    """Return how a recipe of one stage has its training images seen."""
    data, seed = recipe.data, recipe.train.seed
    # Where nothing is drawn, as in a stage without changes, all views would be one.
    return TrainView(preprocess, data.augment, seed, data.views if data.augment else None)


@dataclass(frozen=True, slots=True)
class StagedView:
    """What is seen in a training in stages: in each stage by a view of its own."""

    views: Sequence[TrainView]
    begins: Sequence[int]
    """The first epoch of each, rising."""

    def __call__(self, image: Picture, *, epoch: int, index: int, repeat: int = 0) -> Tensor:
        """Return a byte tensor, (channels, height, width)."""
        return _tensor(self.pixels(image, epoch=epoch, index=index, repeat=repeat))

    def pixels(self, picture: Picture, *, epoch: int, index: int, repeat: int = 0) -> Pixels:
        """Return what the net sees in an epoch, from 1."""
        return self._of(epoch).pixels(picture, epoch=epoch, index=index, repeat=repeat)

    def ground(self, epoch: int) -> Groundwork:
        """Return what it does first in an epoch, from 1."""
        return self._of(epoch).ground(epoch)

    def finished(self, picture: Picture, *, epoch: int, index: int, repeat: int) -> Pixels:
        """Return what the net sees of a picture after its groundwork."""
        return self._of(epoch).finished(picture, epoch=epoch, index=index, repeat=repeat)

    def is_batched(self, epoch: int) -> bool:
        """Return whether there are crops and flips alone in an epoch."""
        return self._of(epoch).is_batched(epoch)

    def changed(
        self, rows: Pixels, *, epoch: int, indices: Indices, repeats: Indices
    ) -> Pixels | None:
        """Return what the net sees of pictures in an epoch."""
        return self._of(epoch).changed(rows, epoch=epoch, indices=indices, repeats=repeats)

    def _of(self, epoch: int) -> TrainView:
        return self.views[bisect_right(self.begins, epoch) - 1]


def normalise(images: Tensor, preprocess: Preprocess) -> Tensor:
    """Return images of the range of bytes, (N, C, H, W), as (x / 255 - mean) / std, float32."""
    mean, std = (
        torch.tensor(values, dtype=torch.float32, device=images.device).view(-1, 1, 1)
        for values in (preprocess.mean, preprocess.std)
    )
    return torch.div(images, 255).sub_(mean).div_(std)


def side(preprocess: Preprocess, augment: Sequence[Augmentation] = ()) -> int | None:
    """Return the side of what a view makes, in pixels; None where images stay as they are."""
    return check.side(preprocess, augment)


def _tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))


# --- checking ---------------------------------------------------------------------------------


def check_geometry(data: Data, preprocess: Preprocess) -> list[Fault]:
    """Return what keeps the images of a recipe from coming out as batches of one size."""
    return [
        *_check_frame(data, preprocess),
        *_check_values(preprocess, data.channels),
        *check.check(data.augment, preprocess, data.channels),
    ]


def _check_frame(data: Data, preprocess: Preprocess) -> Iterator[Fault]:
    resize, crop = preprocess.resize, preprocess.crop
    if crop is None and (not data.is_of_one_size or resize is not None):
        yield Fault(
            field="data.preprocess.crop",
            description="is missing: images of different sizes cannot form a batch; "
            "say the side of the centre crop (and of `resize` before it)",
        )
    elif crop is not None and resize is not None and crop > resize:
        yield Fault(
            field="data.preprocess.crop",
            description=f"is {crop}, more than the {resize} that `resize` leaves",
        )


def _check_values(preprocess: Preprocess, channels: int) -> Iterator[Fault]:
    for name in ("mean", "std"):
        count = len(getattr(preprocess, name))
        if count not in (1, channels):
            yield Fault(
                field=f"data.preprocess.{name}",
                description=f"has {count} values for images of {channels} "
                f"channel{'s' if channels > 1 else ''}",
            )
