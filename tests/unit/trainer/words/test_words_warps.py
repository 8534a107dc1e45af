"""Rotation, affine, perspective: torchvision's pixels of the same numbers, evenly drawn."""

from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from fttrain.data.augment import warps
from tests.augmented import assert_even, distance, draws, picture, pixels, proves, seen, stated

N = 2000
STYLES = [
    {},
    {"interpolation": "nearest", "fill": 130},
    {"interpolation": "bilinear"},
    {"interpolation": "bilinear", "fill": 255},
]


def mode(options: dict[str, Any], default: str) -> v2.InterpolationMode:
    return v2.InterpolationMode(options.get("interpolation", default))


@proves("rotation", "rotation.degrees", "rotation.interpolation", "rotation.fill")
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("grey", [False, True])
def test_a_rotation_is_torchvisions_of_the_drawn_angle(style: dict[str, Any], grey: bool) -> None:
    image, choice = picture(grey=grey), stated("rotation", degrees=30, **style)
    for index in range(10):
        angle = warps.angle(choice.rotation, draws(index))

        expected = F.rotate(image, angle, mode(style, "nearest"), fill=style.get("fill", 0))

        np.testing.assert_array_equal(seen(choice, image, index), pixels(expected))


def test_angles_are_drawn_evenly_to_both_sides() -> None:
    choice = stated("rotation", degrees=30)

    assert_even([warps.angle(choice.rotation, draws(index)) for index in range(N)], -30, 30)


MOTIONS: list[dict[str, Any]] = [
    {},
    {"degrees": 20},
    {"translate": [0.2, 0.1]},
    {"scale": [0.5, 1.5]},
    {"shear": 15},
    {"degrees": 20, "translate": [0.2, 0.1], "scale": [0.5, 1.5], "shear": 15},
]


@proves("affine", "affine.degrees", "affine.translate", "affine.scale", "affine.shear")
@proves("affine.interpolation", "affine.fill")
@pytest.mark.parametrize("options", MOTIONS)
@pytest.mark.parametrize("style", STYLES)
def test_an_affine_change_is_torchvisions_of_the_drawn_motion(
    options: dict[str, Any], style: dict[str, Any]
) -> None:
    image, choice = picture(), stated("affine", **options, **style)
    for index in range(5):
        drawn = warps.motion(choice.affine, image.size, draws(index))

        expected = F.affine(
            image,
            drawn.angle,
            list(drawn.translate),
            drawn.scale,
            list(drawn.shear),
            mode(style, "nearest"),
            fill=style.get("fill", 0),
        )

        np.testing.assert_array_equal(seen(choice, image, index), pixels(expected))


def test_motions_are_drawn_as_torchvisions() -> None:
    choice, image = stated("affine", **MOTIONS[-1]), picture()
    ours = [warps.motion(choice.affine, image.size, draws(index)) for index in range(N)]
    torch.manual_seed(0)
    theirs = v2.RandomAffine(20, (0.2, 0.1), (0.5, 1.5), 15)
    params = [theirs.make_params([image]) for _ in range(N)]

    assert_even([drawn.angle for drawn in ours], -20, 20)
    assert_even([drawn.scale for drawn in ours], 0.5, 1.5)
    assert_even([drawn.shear[0] for drawn in ours], -15, 15)
    assert {drawn.shear[1] for drawn in ours} == {0.0}
    for axis in (0, 1):
        mine = np.array([drawn.translate[axis] for drawn in ours])
        other = np.array([p["translate"][axis] for p in params])
        assert distance(mine, other) < 1.95 * (2 / N) ** 0.5


@proves("perspective", "perspective.distortion_scale")
@proves("perspective.interpolation", "perspective.fill")
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("scale", [0.0, 0.3, 0.6, 1.0])
def test_a_perspective_is_torchvisions_of_the_drawn_corners(
    style: dict[str, Any], scale: float
) -> None:
    image, choice = picture(), stated("perspective", distortion_scale=scale, p=1, **style)
    starts = [[0, 0], [60, 0], [60, 46], [0, 46]]
    for index in range(10):
        ends = warps.corners(choice.perspective, image.size, draws(index))

        expected = F.perspective(
            image,
            starts,
            [list(end) for end in ends],
            mode(style, "bilinear"),
            fill=style.get("fill", 0),
        )

        # Both solve eight equations, each by a library of its own: the last bits differ, and
        # Pillow cuts levels off instead of rounding them.
        apart = np.abs(seen(choice, image, index).astype(int) - pixels(expected))
        assert apart.max() <= 1


def test_corners_are_drawn_as_torchvisions() -> None:
    choice, image = stated("perspective", p=1), picture()
    ours = [warps.corners(choice.perspective, image.size, draws(index)) for index in range(N)]
    torch.manual_seed(0)
    theirs = v2.RandomPerspective(0.5)
    # torchvision works the coefficients out at once; from them, the corners.
    drawn = []
    for _ in range(N):
        a, b, c, d, e, f, g, h = theirs.make_params([image])["coefficients"]
        there = np.linalg.inv(np.array([[a, b, c], [d, e, f], [g, h, 1]]))
        ends = there @ np.array([[0, 60, 60, 0], [0, 0, 46, 46], [1, 1, 1, 1]])
        drawn.append((ends[:2] / ends[2]).round().T)

    for corner in range(4):
        for axis in (0, 1):
            mine = np.array([ends[corner][axis] for ends in ours])
            other = np.array([ends[corner][axis] for ends in drawn])
            assert distance(mine, other) < 1.95 * (2 / N) ** 0.5
