"""Sizes and flips: torchvision's pixels of the same box, and its distribution of boxes."""

from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from fttrain.data.augment import crops
from fttrain.data.chance import Draws
from fttrain.data.view import TrainView
from fttrain.spec.augmentation import RandomResizedCrop
from fttrain.spec.images import Preprocess
from tests.augmented import EPOCH, SEED, distance, draws, picture, pixels, proves, seen, stated

N = 2000
RANDOM_CROPS: list[dict[str, Any]] = [
    {"size": 32},
    {"size": 40, "padding": 4},
    {"size": 40, "padding": 6, "fill": 77},
    *({"size": 40, "padding": 5, "padding_mode": m} for m in ("edge", "reflect", "symmetric")),
    {"size": 56},  # More than the picture is high.
    {"size": 70, "padding": 2, "fill": 30},
]


@proves(
    "random_crop",
    "random_crop.size",
    "random_crop.padding",
    "random_crop.padding_mode",
    "random_crop.fill",
)
@pytest.mark.parametrize("options", RANDOM_CROPS)
@pytest.mark.parametrize("grey", [False, True])
def test_a_random_crop_is_torchvisions_of_the_drawn_place(
    options: dict[str, Any], grey: bool
) -> None:
    image, choice = picture(grey=grey), stated("random_crop", **options)
    mode, fill = options.get("padding_mode", "constant"), options.get("fill", 0)
    for index in range(10):
        left, top, width, height = crops.random(image.size, choice.random_crop, draws(index))

        theirs = v2.RandomCrop(**{"fill": fill, **options}, pad_if_needed=True)
        params = theirs.make_params([image])
        padded = F.pad(image, params["padding"], fill=fill, padding_mode=mode)
        expected = F.crop(padded, top, left, height, width)

        np.testing.assert_array_equal(seen(choice, image, index), pixels(expected))


@pytest.mark.parametrize("options", RANDOM_CROPS)
def test_places_of_random_crops_are_distributed_as_torchvisions(options: dict[str, Any]) -> None:
    image, choice = picture(), stated("random_crop", **options)
    torch.manual_seed(0)
    theirs = v2.RandomCrop(**options, pad_if_needed=True)

    ours = [crops.random(image.size, choice.random_crop, draws(i))[:2] for i in range(N)]
    params = [theirs.make_params([image]) for _ in range(N)]

    for mine, name in zip(np.array(ours).T, ("left", "top"), strict=True):
        assert distance(mine, np.array([p[name] for p in params])) < 1.95 * (2 / N) ** 0.5


@proves("random_resized_crop", "random_resized_crop.size")
@proves("random_resized_crop.scale", "random_resized_crop.ratio")
@pytest.mark.parametrize(
    "options", [{}, {"scale": [0.3, 0.5]}, {"ratio": [2.0, 3.0]}, {"scale": [1.0, 1.0]}]
)
def test_a_random_resized_crop_is_torchvisions_of_the_drawn_box(options: dict[str, Any]) -> None:
    image, choice = picture(), stated("random_resized_crop", size=24, **options)
    crop = choice.random_resized_crop
    boxes = [crops.random_resized(image.size, crop, draws(index)) for index in range(N)]
    torch.manual_seed(0)
    theirs = v2.RandomResizedCrop(24, **options)
    params = [theirs.make_params([image]) for _ in range(N)]

    for index, (left, top, width, height) in enumerate(boxes[:10]):
        expected = F.resized_crop(image, top, left, height, width, [24, 24])
        np.testing.assert_array_equal(seen(choice, image, index), pixels(expected))
    for mine, name in zip(np.array(boxes).T, ("left", "top", "width", "height"), strict=True):
        assert distance(mine, np.array([p[name] for p in params])) < 1.95 * (2 / N) ** 0.5


@proves("resize", "resize.size", "center_crop", "center_crop.size")
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("size", "crop"), [(40, 32), (40, 40), (20, 30), (90, 64)])
def test_resize_and_center_crop_are_torchvisions(interpolation: str, size: int, crop: int) -> None:
    stated_too = Preprocess(resize=9, crop=7, interpolation=interpolation, mean=[0.5], std=[0.5])
    choices = [stated("resize", size=size), stated("center_crop", size=crop)]

    ours = TrainView(stated_too, choices, SEED)(picture(), epoch=EPOCH, index=0)

    mode = v2.InterpolationMode(interpolation)
    theirs = v2.Compose([v2.Resize(size, mode), v2.CenterCrop(crop), v2.PILToTensor()])
    # Neither the resize of 9 nor the crop of 7 is applied before.
    assert torch.equal(ours, theirs(picture()))


@pytest.mark.word("data.augment")
@proves("horizontal_flip", "vertical_flip")
@pytest.mark.parametrize("grey", [False, True])
def test_flips_are_torchvisions(grey: bool) -> None:
    image = picture(grey=grey)

    np.testing.assert_array_equal(
        seen(stated("horizontal_flip", p=1), image), pixels(F.horizontal_flip(image))
    )
    np.testing.assert_array_equal(
        seen(stated("vertical_flip", p=1), image), pixels(F.vertical_flip(image))
    )


def test_of_a_single_pixel_that_pixel_is_cropped_whatever_the_ratio() -> None:
    crop = RandomResizedCrop(size=4, scale=(1.0, 1.0), ratio=(5.0, 6.0))
    wide = RandomResizedCrop(size=4, scale=(1.0, 1.0), ratio=(0.1, 0.2))

    assert crops.random_resized((1, 1), crop, Draws(0)) == (0, 0, 1, 1)
    assert crops.random_resized((1, 1), wide, Draws(0)) == (0, 0, 1, 1)


def test_flips_of_arrays_are_flips_of_pictures() -> None:
    for kind in ("horizontal_flip", "vertical_flip"):
        choice, image = stated(kind, p=1), picture()

        np.testing.assert_array_equal(seen(choice, np.asarray(image)), seen(choice, image))
