"""Hiding parts of an image."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fttrain.data import chance
from fttrain.data.augment.crops import Box
from fttrain.data.augment.picture import Picture, array
from fttrain.data.chance import Draws
from fttrain.data.decode import Pixels
from fttrain.spec import augmentation as spec
from fttrain.spec.images import Preprocess

_ATTEMPTS = 10  # As torchvision: then nothing is hidden.


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A grid of hidden squares, in pixels."""

    cell: int
    side: int
    """Of a square."""
    left: int
    top: int
    """Where the grid begins, from 0 to cell - 1."""


def rectangle(size: tuple[int, int], options: spec.RandomErasing, draws: Draws) -> Box | None:
    """Return what to hide of an image of (width, height), as torchvision's RandomErasing."""
    width, height = size
    low, high = options.ratio
    for _ in range(_ATTEMPTS):
        area = width * height * draws.uniform(*options.scale)
        ratio = math.exp(draws.uniform(math.log(low), math.log(high)))
        h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if h < height and w < width:
            top, left = draws.below(height - h + 1), draws.below(width - w + 1)
            return left, top, w, h
    return None


def erased(
    picture: Picture, box: Box | None, value: spec.Hidden, draws: Draws, preprocess: Preprocess
) -> Picture:
    """Return a picture without what lies in a box."""
    if box is None:
        return picture
    left, top, width, height = box
    pixels = array(picture).copy()
    part = pixels[top : top + height, left : left + width]
    part[:] = _cover(part.shape, value, draws, preprocess)
    return pixels


def grid(size: tuple[int, int], options: spec.GridMask, draws: Draws) -> Grid:
    """Return which grid to hide of an image of (width, height)."""
    low, high = options.cell
    cell = low + draws.below(high - low + 1)
    side = round(cell * (1 - options.ratio))
    return Grid(cell=cell, side=side, left=draws.below(cell), top=draws.below(cell))


def masked(
    picture: Picture, hidden: Grid, value: spec.Hidden, draws: Draws, preprocess: Preprocess
) -> Picture:
    """Return a picture without the squares of a grid."""
    pixels = array(picture).copy()
    rows = (np.arange(pixels.shape[0]) - hidden.top) % hidden.cell < hidden.side
    columns = (np.arange(pixels.shape[1]) - hidden.left) % hidden.cell < hidden.side
    squares = np.ix_(rows, columns)
    pixels[squares] = _cover(pixels[squares].shape, value, draws, preprocess)
    return pixels


def _cover(
    shape: tuple[int, ...], value: spec.Hidden, draws: Draws, preprocess: Preprocess
) -> Pixels | NDArray[np.float64]:
    """Return levels that can be laid over pixels of a shape."""
    mean = 255 * np.array(preprocess.mean)
    if value == "mean":
        return _levels(mean)
    if value == "random":
        seed, part = draws.words(2)
        noise = chance.normals(math.prod(shape), seed=seed, part=part, purpose=_PURPOSE)
        return _levels(mean + 255 * np.array(preprocess.std) * noise.reshape(shape))
    return _levels(np.array(float(value)))


_PURPOSE = 7  # Keeps this noise apart from other chance.


def _levels(values: NDArray[np.float64]) -> Pixels:
    return np.rint(values).clip(0, 255).astype(np.uint8)
