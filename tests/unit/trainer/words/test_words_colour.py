"""Changes of colour: torchvision's pixels of the same numbers; blur within one level."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms.v2 import functional as F

from fttrain.data.augment import colour
from tests.augmented import assert_even, draws, picture, pixels, proves, seen, stated

N = 2000
JITTERS: list[dict[str, float]] = [
    {"brightness": 0.4},
    {"contrast": 0.4},
    {"saturation": 0.7},
    {"hue": 0.5},
    {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
    {"brightness": 3.0, "saturation": 2.0},
]
CHANGES: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "brightness": F.adjust_brightness,
    "contrast": F.adjust_contrast,
    "saturation": F.adjust_saturation,
    "hue": F.adjust_hue,
}


@proves("color_jitter", *(f"color_jitter.{name}" for name in CHANGES))
@pytest.mark.parametrize("options", JITTERS)
@pytest.mark.parametrize("grey", [False, True])
def test_a_jitter_is_torchvisions_of_the_drawn_factors_in_their_order(
    options: dict[str, float], grey: bool
) -> None:
    image, choice = picture(grey=grey), stated("color_jitter", **options)
    for index in range(10):
        expected = image
        for name, factor in colour.jitter(choice.color_jitter, draws(index)):
            expected = CHANGES[name](expected, factor)

        np.testing.assert_array_equal(seen(choice, image, index), pixels(expected))


def test_factors_of_jitter_are_even_and_in_any_order() -> None:
    options = {"brightness": 0.4, "contrast": 1.5, "saturation": 0.2, "hue": 0.1}
    choice = stated("color_jitter", **options).color_jitter
    drawn = [colour.jitter(choice, draws(index)) for index in range(N)]

    ranges = {"brightness": (0.6, 1.4), "contrast": (0, 2.5), "saturation": (0.8, 1.2)}
    for name, span in {**ranges, "hue": (-0.1, 0.1)}.items():
        assert_even([dict(changes)[name] for changes in drawn], *span)
    orders = [tuple(name for name, _ in changes) for changes in drawn]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == math.factorial(4)
    # Chi-square of 23 degrees of freedom: 49.7 once in a thousand times.
    assert sum((count - N / 24) ** 2 / (N / 24) for count in counts) < 49.7


def test_a_jitter_of_nothing_changes_nothing() -> None:
    np.testing.assert_array_equal(seen(stated("color_jitter"), picture()), pixels(picture()))


@proves("grayscale")
@pytest.mark.parametrize("grey", [False, True])
def test_grayscale_is_torchvisions(grey: bool) -> None:
    image = picture(grey=grey)

    expected = F.to_grayscale(image, 1 if grey else 3)

    np.testing.assert_array_equal(seen(stated("grayscale", p=1), image), pixels(expected))


@proves("gaussian_blur", "gaussian_blur.kernel_size", "gaussian_blur.sigma")
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("size", [1, 3, 5, 23])
@pytest.mark.parametrize("sigma", [[0.1, 2.0], [0.05, 0.05], [5.0, 9.0]])
def test_a_blur_is_torchvisions_of_the_drawn_sigma(
    grey: bool, size: int, sigma: list[float]
) -> None:
    image = picture(grey=grey)
    choice = stated("gaussian_blur", kernel_size=size, sigma=sigma)
    for index in range(5):
        drawn = colour.blur_sigma(choice.gaussian_blur, draws(index))

        expected = pixels(F.gaussian_blur(image, [size, size], [drawn, drawn])).astype(int)

        # Along rows and then columns, where torchvision sums both at once: the last bits differ.
        apart = np.abs(seen(choice, image, index) - expected)
        assert apart.max() <= 1
        assert (apart > 0).mean() < 0.001


def test_a_blur_may_be_wider_than_the_image() -> None:
    choice = stated("gaussian_blur", kernel_size=99, sigma=[30.0, 30.0])

    blurred = seen(choice, picture(8, 8))

    assert np.ptp(blurred[..., 0]) < np.ptp(pixels(picture(8, 8))[..., 0]) / 2


def test_sigmas_are_drawn_evenly() -> None:
    choice = stated("gaussian_blur", kernel_size=3, sigma=[0.5, 4.0]).gaussian_blur

    assert_even([colour.blur_sigma(choice, draws(index)) for index in range(N)], 0.5, 4.0)


@proves("pca_lighting", "pca_lighting.std")
@pytest.mark.parametrize("std", [0.1, 1.0])
def test_lighting_adds_the_main_colours_of_imagenet(std: float) -> None:
    values = np.array([0.2175, 0.0188, 0.0045])
    vectors = np.array(
        [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
    )
    choice, image = stated("pca_lighting", std=std), picture()
    for index in range(10):
        numbers = draws(index)
        alphas = std * np.array([numbers.normal() for _ in range(3)])

        expected = pixels(image) + 255 * (vectors @ (alphas * values))

        levels = np.floor(expected + 0.5).clip(0, 255)
        np.testing.assert_array_equal(seen(choice, image, index), levels)


def test_the_numbers_of_lighting_are_normal() -> None:
    drawn = np.array([draws(index).normal() for index in range(20_000)])

    assert abs(drawn.mean()) < 4 / 20_000**0.5
    assert abs(drawn.std() - 1) < 0.02
    assert abs((np.abs(drawn) < 1).mean() - 0.6827) < 0.015
    assert abs((np.abs(drawn) < 2).mean() - 0.9545) < 0.006


PLAIN_CHANGES: list[tuple[str, dict[str, Any], Callable[[Image.Image], Image.Image]]] = [
    ("adjust_sharpness", {"sharpness_factor": 0}, lambda im: F.adjust_sharpness(im, 0)),
    ("adjust_sharpness", {"sharpness_factor": 2.5}, lambda im: F.adjust_sharpness(im, 2.5)),
    ("autocontrast", {}, F.autocontrast),
    ("equalize", {}, F.equalize),
    ("invert", {}, F.invert),
    ("posterize", {"bits": 1}, lambda im: F.posterize(im, 1)),
    ("posterize", {"bits": 5}, lambda im: F.posterize(im, 5)),
    ("solarize", {"threshold": 90}, lambda im: F.solarize(im, 90)),
    ("solarize", {"threshold": 200.5}, lambda im: F.solarize(im, 200.5)),
]


@proves("adjust_sharpness", "adjust_sharpness.sharpness_factor", "autocontrast", "equalize")
@proves("invert", "posterize", "posterize.bits", "solarize", "solarize.threshold")
@pytest.mark.parametrize(("kind", "options", "theirs"), PLAIN_CHANGES)
@pytest.mark.parametrize("grey", [False, True])
def test_a_plain_change_is_torchvisions(
    kind: str,
    options: dict[str, Any],
    theirs: Callable[[Image.Image], Image.Image],
    grey: bool,
) -> None:
    image = picture(grey=grey)

    ours = seen(stated(kind, p=1, **options), image)

    np.testing.assert_array_equal(ours, pixels(theirs(image)))
    assert not np.array_equal(ours, pixels(image))
