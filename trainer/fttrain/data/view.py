"""How an image becomes what the net sees: the same pixels as torchvision's transforms on PIL.

A view ends at bytes; `normalise` turns a batch of them into the net's numbers.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fttrain.data.chance import Draws
from fttrain.data.decode import Pixels
from fttrain.spec.augmentation import Augmentation, RandomResizedCrop
from fttrain.spec.faults import Fault
from fttrain.spec.images import Data, Preprocess

Picture = Image.Image | Pixels
_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
_CROP_ATTEMPTS = 10  # As torchvision: then the centre.


class View(Protocol):
    """From a picture to pixels, a pure function of its arguments."""

    def pixels(self, picture: Picture, *, epoch: int, index: int) -> Pixels:
        """Return what the net sees, (height, width, channels)."""
        ...


@dataclass(frozen=True, slots=True)
class EvalView:
    """What is always the same: resize, centre crop."""

    preprocess: Preprocess

    def __call__(self, image: Picture, *, epoch: int = 0, index: int = 0) -> Tensor:
        """Return a byte tensor, (channels, height, width)."""
        return _tensor(self.pixels(image, epoch=epoch, index=index))

    def pixels(self, picture: Picture, *, epoch: int = 0, index: int = 0) -> Pixels:
        """Return what the net sees; epoch and index do not matter."""
        return _array(_framed(picture, self.preprocess))


@dataclass(frozen=True, slots=True)
class TrainView:
    """What is seen in training: the augmentations, as (seed, epoch, index, place in the list)
    draw them. A random resized crop takes the place of resize and centre crop."""

    preprocess: Preprocess
    augment: Sequence[Augmentation]
    seed: int

    def __call__(self, image: Picture, *, epoch: int, index: int) -> Tensor:
        """Return a byte tensor, (channels, height, width)."""
        return _tensor(self.pixels(image, epoch=epoch, index=index))

    def pixels(self, picture: Picture, *, epoch: int, index: int) -> Pixels:
        """Return what the net sees."""
        if not any(choice.random_resized_crop for choice in self.augment):
            picture = _framed(picture, self.preprocess)
        for place, choice in enumerate(self.augment):
            draws = Draws(self.seed, epoch, index, place)
            picture = _augmented(picture, choice, draws, self.preprocess)
        return _array(picture)


def normalise(images: Tensor, preprocess: Preprocess) -> Tensor:
    """Return byte images, (N, C, H, W), as 32-bit numbers: (x / 255 - mean) / std."""
    mean, std = (
        torch.tensor(values, dtype=torch.float32, device=images.device).view(-1, 1, 1)
        for values in (preprocess.mean, preprocess.std)
    )
    return images.to(torch.float32).div_(255).sub_(mean).div_(std)


def side(preprocess: Preprocess, augment: Sequence[Augmentation] = ()) -> int | None:
    """Return the side of what a view makes, in pixels; None where images stay as they are."""
    crops = [c.random_resized_crop for c in augment if c.random_resized_crop is not None]
    return crops[-1].size if crops else preprocess.crop


# --- steps ------------------------------------------------------------------------------------


def _framed(picture: Picture, preprocess: Preprocess) -> Picture:
    if preprocess.resize is not None:
        picture = _resized(_image(picture), preprocess.resize, preprocess.interpolation)
    if preprocess.crop is not None:
        picture = _centre_cropped(_image(picture), preprocess.crop)
    return picture


def _resized(image: Image.Image, shorter: int, interpolation: str) -> Image.Image:
    width, height = image.size
    longer = int(shorter * max(width, height) / min(width, height))
    size = (shorter, longer) if width <= height else (longer, shorter)
    return image if size == image.size else image.resize(size, _FILTERS[interpolation])


def _centre_cropped(image: Image.Image, side: int) -> Image.Image:
    left, top = _margin(image.width, side), _margin(image.height, side)
    # Where the image is smaller, Pillow fills with black, as torchvision pads.
    return image.crop((left, top, left + side, top + side))


def _margin(length: int, side: int) -> int:
    return -((side - length) // 2) if side > length else round((length - side) / 2)


def _augmented(
    picture: Picture, choice: Augmentation, draws: Draws, preprocess: Preprocess
) -> Picture:
    if choice.horizontal_flip is not None:
        return _flipped(picture) if draws.uniform() < choice.horizontal_flip.p else picture
    assert choice.random_resized_crop is not None, "the schema holds exactly one"
    image = _image(picture)
    size = choice.random_resized_crop.size
    left, top, width, height = crop_box(image.size, choice.random_resized_crop, draws)
    cropped = image.crop((left, top, left + width, top + height))
    return cropped.resize((size, size), _FILTERS[preprocess.interpolation])


def _flipped(picture: Picture) -> Picture:
    if isinstance(picture, Image.Image):
        return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return picture[:, ::-1]


def crop_box(
    size: tuple[int, int], crop: RandomResizedCrop, draws: Draws
) -> tuple[int, int, int, int]:
    """Return left, top, width and height, distributed as in torchvision's RandomResizedCrop."""
    width, height = size
    for _ in range(_CROP_ATTEMPTS):
        area = width * height * draws.uniform(*crop.scale)
        ratio = math.exp(draws.uniform(math.log(crop.ratio[0]), math.log(crop.ratio[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return draws.below(width - w + 1), draws.below(height - h + 1), w, h
    w, h = width, height
    if width / height < crop.ratio[0]:
        h = round(width / crop.ratio[0])
    elif width / height > crop.ratio[1]:
        w = round(height * crop.ratio[1])
    return (width - w) // 2, (height - h) // 2, w, h


def _image(picture: Picture) -> Image.Image:
    if isinstance(picture, Image.Image):
        return picture
    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)


def _array(picture: Picture) -> Pixels:
    pixels = np.asarray(picture)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))


# --- checking ---------------------------------------------------------------------------------


def check_geometry(data: Data, preprocess: Preprocess) -> list[Fault]:
    """Return what keeps the images of a recipe from coming out as batches of one size."""
    channels = 1 if data.digits is not None else 3
    return [
        *_check_frame(data, preprocess),
        *_check_values(preprocess, channels),
        *_check_crops(data.augment),
    ]


def _check_frame(data: Data, preprocess: Preprocess) -> Iterator[Fault]:
    resize, crop = preprocess.resize, preprocess.crop
    if crop is None and (data.digits is None or resize is not None):
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


def _check_crops(augment: Sequence[Augmentation]) -> Iterator[Fault]:
    for place, choice in enumerate(augment):
        if choice.random_resized_crop is None:
            continue
        for name in ("scale", "ratio"):
            low, high = getattr(choice.random_resized_crop, name)
            if low > high:
                yield Fault(
                    field=f"data.augment[{place}].random_resized_crop.{name}",
                    description=f"is [{low}, {high}]: the least comes first",
                )
