"""Batches of images in a stated order, made here or by loader processes, bit for bit the same."""

import itertools
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from fttrain.data.decode import BadImage, Pixels
from fttrain.data.ground import Fresh, Grounds
from fttrain.data.loaders import Loaders, Room
from fttrain.data.order import Indices
from fttrain.data.samples import Samples
from fttrain.data.view import View


class Task(NamedTuple):
    """What one batch is made of."""

    epoch: int
    indices: Indices
    repeats: Indices | None = None
    """How often each index stood in the epoch before; None: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some images and what they show."""

    epoch: int
    indices: Indices
    images: Tensor
    """Bytes, (N, C, H, W)."""
    labels: Tensor
    """(N,), int64."""
    depth: int = 0
    """So many blocks of the net have run already: instead of images there is what they made."""


class Stream:
    """A source of batches. Loader processes start with the first run and end with `close`."""

    def __init__(
        self, samples: Samples, view: View, workers: int, grounds: Grounds | None = None
    ) -> None:
        self._samples = samples
        self._view = view
        self._grounds: Grounds = Fresh(samples) if grounds is None else grounds
        self._loaders: Loaders[Task] | None = None
        if workers:
            self._loaders = Loaders(self._make, workers, idle=self._grounds.settle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def run(self, plan: Iterable[Task]) -> Iterator[Batch]:
        """Yield the batches of a plan, in its order. One run at a time.

        Loader processes set to work at once, before the first batch is asked for.

        Raises:
            BadImage: where an image cannot be read, when its batch is due.
            LoaderDied: where a loader process was ended by something else.
        """
        if self._loaders is None:
            made: Iterator[tuple[Task, Tensor]] = (
                (task, torch.from_numpy(self._make(task, _room))) for task in plan
            )
        else:
            made = self._loaders.run(plan)
        return (self._batch(task, images) for task, images in made)

    @property
    def lacks_room(self) -> bool:
        """True if some images could not be kept that should be, here or in a loader process."""
        return self._grounds.lacks_room

    def begin(self) -> None:
        """Start the loader processes, while this one is small.

        They share its memory; what it frees later, and uses again, would be copied for them.
        """
        if self._loaders is not None:
            self._loaders.begin()

    def close(self) -> None:
        """End the loader processes. May be called again."""
        if self._loaders is not None:
            self._loaders.close()
        else:
            self._grounds.close()

    def _batch(self, task: Task, images: Tensor) -> Batch:
        return Batch(
            epoch=task.epoch,
            indices=task.indices,
            images=images,
            labels=torch.from_numpy(self._samples.labels[task.indices]),
        )

    def _make(self, task: Task, room: Room) -> Pixels:
        """Make the images of one batch. Runs in loader processes, too: Pillow and numpy alone."""
        self._grounds.turn(task.epoch)
        batch: Pixels | None = None
        rows = self._at_once(task)
        if rows is not None:
            count, height, width, channels = rows.shape
            batch = room((count, channels, height, width))
            batch[...] = rows.transpose(0, 3, 1, 2)
            return batch
        for position, pixels in enumerate(self._seen(task)):
            height, width, channels = pixels.shape
            if batch is None:
                batch = room((len(task.indices), channels, height, width))
            if (channels, height, width) != batch.shape[1:]:
                name = self._samples.name(int(task.indices[position]))
                raise BadImage(Path(name), _odd_size(pixels, batch))
            batch[position] = pixels.transpose(2, 0, 1)
        assert batch is not None, "a batch has images"
        return batch

    def _at_once(self, task: Task) -> Pixels | None:
        """Return the images of one batch; None where they are better made one at a time."""
        if not self._view.is_batched(task.epoch):
            return None
        rows = self._grounds.rows(task.indices, self._view.ground(task.epoch))
        if rows is None:
            return None
        repeats = task.repeats if task.repeats is not None else np.zeros_like(task.indices)
        return self._view.changed(rows, epoch=task.epoch, indices=task.indices, repeats=repeats)

    def _seen(self, task: Task) -> Iterator[Pixels]:
        count = len(task.indices)
        repeats = task.repeats.tolist() if task.repeats is not None else itertools.repeat(0, count)
        numbered = zip(task.indices.tolist(), repeats, strict=True)
        # Repeats of an image stand in a row: it is read once.
        ground = self._view.ground(task.epoch)
        for index, row in itertools.groupby(numbered, key=operator.itemgetter(0)):
            picture = self._grounds.picture(index, ground)
            for _, repeat in row:
                yield self._view.finished(picture, epoch=task.epoch, index=index, repeat=repeat)


def _room(shape: tuple[int, ...]) -> Pixels:
    return np.empty(shape, np.uint8)


def _odd_size(pixels: Pixels, batch: Pixels) -> str:
    height, width = pixels.shape[:2]
    return (
        f"is {width} x {height}, others of its batch {batch.shape[3]} x {batch.shape[2]}; "
        "say data.preprocess.crop"
    )
