"""Crops and flips of many pictures of one size at once: the very pixels of one at a time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fttrain.data.augment import crops
from fttrain.data.chance import ManyDraws
from fttrain.data.decode import Pixels
from fttrain.spec.augmentation import Augmentation, RandomCrop

Apply = Callable[[Pixels, Any, ManyDraws], Pixels]
"""Takes and returns rows, (N, height, width, channels); those it takes are not to be changed."""


def can_do(augment: Sequence[Augmentation], shape: Sequence[int]) -> bool:
    """Tell whether a list can be done so with pictures of (height, width)."""
    if not knows(augment):
        return False
    sides = set(shape)
    for crop in (choice.random_crop for choice in augment):
        if crop is not None:
            # One that does not always come leaves pictures of two sizes, unless it changes none.
            if crop.p < 1 and sides != {crop.size}:
                return False
            sides = {crop.size}
    return True


def knows(augment: Sequence[Augmentation]) -> bool:
    """Tell whether a list can be done so with pictures of whichever size."""
    return all(choice.kind in _WAYS for choice in augment)


def applied(rows: Pixels, choice: Augmentation, draws: ManyDraws) -> Pixels:
    """Return pictures after a change, or as they are where chance will have it so."""
    options = choice.value
    if options.p == 1:
        return _WAYS[choice.kind](rows, options, draws)
    comes = np.flatnonzero(draws.uniform() < options.p)
    # A copy in the order in which batches lie in memory: whole lines are moved, not pixels.
    planes = np.array(rows.transpose(0, 3, 1, 2), order="C")
    some = planes[comes].transpose(0, 2, 3, 1)
    changed = _WAYS[choice.kind](some, options, draws.chosen(comes))
    planes[comes] = changed.transpose(0, 3, 1, 2)
    return planes.transpose(0, 2, 3, 1)


def _flipped(rows: Pixels, options: Any, draws: ManyDraws) -> Pixels:
    return rows[:, :, ::-1]


def _turned_over(rows: Pixels, options: Any, draws: ManyDraws) -> Pixels:
    return rows[:, ::-1]


def _cropped(rows: Pixels, options: RandomCrop, draws: ManyDraws) -> Pixels:
    size = rows.shape[2], rows.shape[1]
    across, down = crops.margins(size, options)
    left = draws.below(size[0] + 2 * across - options.size + 1)
    top = draws.below(size[1] + 2 * down - options.size + 1)
    # (N, top, left, channels, height, width): a view, of which one window of each is copied.
    windows = sliding_window_view(_padded(rows, options), (options.size,) * 2, axis=(1, 2))
    parts: Pixels = windows[np.arange(len(rows)), top, left].transpose(0, 2, 3, 1)
    return parts


def _padded(rows: Pixels, options: RandomCrop) -> Pixels:
    across, down = crops.margins((rows.shape[2], rows.shape[1]), options)
    if not (across or down):
        return rows
    widths = [(0, 0), (down, down), (across, across), (0, 0)]
    if options.padding_mode != "constant":
        return np.pad(rows, widths, mode=options.padding_mode)
    count, height, width, channels = rows.shape
    shape = count, height + 2 * down, width + 2 * across, channels
    padded = np.full(shape, int(options.fill), np.uint8)
    padded[:, down : down + height, across : across + width] = rows
    return padded


_WAYS: Mapping[str, Apply] = {
    "random_crop": _cropped,
    "horizontal_flip": _flipped,
    "vertical_flip": _turned_over,
}
