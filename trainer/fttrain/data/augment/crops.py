"""Resizing and cropping, pixel by pixel as torchvision does on Pillow's images."""

import math

import numpy as np
from PIL import Image, ImageOps

from fttrain.data.augment.picture import filled
from fttrain.data.chance import Draws
from fttrain.spec.augmentation import RandomCrop, RandomResizedCrop

Box = tuple[int, int, int, int]
"""Left, top, width, height."""
_ATTEMPTS = 10  # As torchvision: then the centre.


def resized(image: Image.Image, shorter: int, sampling: Image.Resampling) -> Image.Image:
    """Return an image with such a shorter side."""
    width, height = image.size
    longer = int(shorter * max(width, height) / min(width, height))
    size = (shorter, longer) if width <= height else (longer, shorter)
    return image if size == image.size else image.resize(size, sampling)


def centre_cropped(image: Image.Image, side: int) -> Image.Image:
    """Return the centre."""
    left, top = _margin(image.width, side), _margin(image.height, side)
    # Where the image is smaller, Pillow fills with black, as torchvision pads.
    return image.crop((left, top, left + side, top + side))


def _margin(length: int, side: int) -> int:
    return -((side - length) // 2) if side > length else round((length - side) / 2)


def random_resized(size: tuple[int, int], crop: RandomResizedCrop, draws: Draws) -> Box:
    """Return a box, distributed as in torchvision's RandomResizedCrop."""
    width, height = size
    for _ in range(_ATTEMPTS):
        area = width * height * draws.uniform(*crop.scale)
        ratio = math.exp(draws.uniform(math.log(crop.ratio[0]), math.log(crop.ratio[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return draws.below(width - w + 1), draws.below(height - h + 1), w, h
    w, h = width, height
    if width / height < crop.ratio[0]:
        h = max(round(width / crop.ratio[0]), 1)
    elif width / height > crop.ratio[1]:
        w = max(round(height * crop.ratio[1]), 1)
    return (width - w) // 2, (height - h) // 2, w, h


def random(size: tuple[int, int], crop: RandomCrop, draws: Draws) -> Box:
    """Return a box within the padded image, as torchvision's RandomCrop(pad_if_needed=True)."""
    wide, high = (length + 2 * more for length, more in zip(size, margins(size, crop), strict=True))
    return (
        draws.below(wide - crop.size + 1),
        draws.below(high - crop.size + 1),
        crop.size,
        crop.size,
    )


def margins(size: tuple[int, int], crop: RandomCrop) -> tuple[int, int]:
    """Return how much is added left and right, and top and bottom."""
    across, down = (
        crop.padding + max(0, crop.size - (length + 2 * crop.padding)) for length in size
    )
    return across, down


def padded(image: Image.Image, crop: RandomCrop) -> Image.Image:
    """Return the image with what a random crop adds."""
    across, down = margins(image.size, crop)
    if not (across or down):
        return image
    if crop.padding_mode == "constant":
        border = (across, down, across, down)
        return ImageOps.expand(image, border, filled(image, crop.fill))
    pixels = np.asarray(image)
    widths = [(down, down), (across, across), (0, 0)][: pixels.ndim]
    return Image.fromarray(np.pad(pixels, widths, mode=crop.padding_mode))


def cropped(image: Image.Image, box: Box) -> Image.Image:
    """Return what lies in a box."""
    left, top, width, height = box
    return image.crop((left, top, left + width, top + height))
