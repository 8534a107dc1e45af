"""What training sees of a small picture, for tests of changes of images."""

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fttrain.data.chance import Draws
from fttrain.data.view import TrainView
from fttrain.spec.augmentation import Augmentation
from fttrain.spec.images import Preprocess

SEED, EPOCH = 7, 3
PLAIN = Preprocess(mean=[0.5, 0.4, 0.3], std=[0.2, 0.25, 0.3])


def proves(*words: str) -> pytest.MarkDecorator:
    """Mark a test by the words of `data.augment` that it proves."""
    return pytest.mark.word(*(f"data.augment.{word}" for word in words))


def picture(width: int = 61, height: int = 47, *, grey: bool = False) -> Image.Image:
    """Return shades with some noise: each place looks different, and neighbours alike."""
    rows, columns = np.mgrid[0:height, 0:width]
    shades = np.stack([3 * columns, 4 * rows, 2 * (rows + columns)], axis=-1)
    noise = np.random.default_rng(0).integers(0, 25, shades.shape)
    pixels = (shades + noise).clip(0, 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if grey else pixels)


def stated(kind: str, **options: Any) -> Augmentation:
    """Read a change as a recipe states it."""
    return Augmentation.model_validate_json(json.dumps({kind: options}))


def draws(index: int, place: int = 0) -> Draws:
    """Return the chance of an image, for a change that always comes."""
    return Draws(SEED, EPOCH, index, place, 0)


def seen(choice: Augmentation, image: Image.Image, index: int = 0) -> np.ndarray:
    """Return what training sees after one change, (height, width, channels)."""
    view = TrainView(PLAIN, [choice], SEED)
    return view(image, epoch=EPOCH, index=index).permute(1, 2, 0).numpy()


def pixels(image: Image.Image) -> np.ndarray:
    """Return an image as bytes, (height, width, channels)."""
    found = np.asarray(image)
    return found if found.ndim == 3 else found[..., None]


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return Kolmogorov and Smirnov's distance of two samples."""
    values = np.union1d(one, other)
    below = [np.searchsorted(np.sort(sample), values, "right") for sample in (one, other)]
    return float(np.abs(below[0] / len(one) - below[1] / len(other)).max())


def assert_even(values: list[float], low: float, high: float) -> None:
    """Check that values look drawn evenly from a range."""
    found = np.array(values)
    assert low <= found.min() < low + (high - low) * 0.02
    assert high - (high - low) * 0.02 < found.max() <= high
    even = np.linspace(low, high, 10_001)
    assert distance(found, even) < 1.95 / len(found) ** 0.5  # Once in a thousand times.
