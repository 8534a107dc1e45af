"""Turning, shifting, shearing and tilting, pixel by pixel as torchvision on Pillow's images."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fttrain.data.augment.picture import FILTERS, filled
from fttrain.data.chance import Draws
from fttrain.spec import augmentation as spec

Point = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """Degrees, pixels and a factor, as torchvision's `affine` takes them."""

    angle: float = 0.0
    translate: Point = (0, 0)
    scale: float = 1.0
    shear: tuple[float, float] = (0.0, 0.0)


def angle(options: spec.Rotation, draws: Draws) -> float:
    """Return by how many degrees to turn."""
    return draws.uniform(-options.degrees, options.degrees)


def rotated(
    image: Image.Image, degrees: float, interpolation: spec.Interpolation, fill: float
) -> Image.Image:
    """Return an image turned against the clock about its centre."""
    return image.rotate(degrees, FILTERS[interpolation], fillcolor=filled(image, fill))


def motion(options: spec.Affine, size: tuple[int, int], draws: Draws) -> Motion:
    """Return how to move an image of (width, height)."""
    across, down = options.translate or (0.0, 0.0)
    return Motion(
        angle=draws.uniform(-options.degrees, options.degrees),
        translate=(
            round(draws.uniform(-across * size[0], across * size[0])),
            round(draws.uniform(-down * size[1], down * size[1])),
        ),
        scale=draws.uniform(*(options.scale or (1.0, 1.0))),
        shear=(draws.uniform(-options.shear, options.shear), 0.0),
    )


def moved(
    image: Image.Image,
    motion: Motion,
    interpolation: spec.Interpolation,
    fill: float,
    *,
    centre: tuple[float, float] | None = None,
) -> Image.Image:
    """Return a moved image; the centre is that of the image where it is not stated."""
    about = (image.width * 0.5, image.height * 0.5) if centre is None else centre
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        _backwards(motion, about),
        FILTERS[interpolation],
        fillcolor=filled(image, fill),
    )


def _backwards(motion: Motion, centre: tuple[float, float]) -> tuple[float, ...]:
    """Return the matrix from places in the result to places in the image.

    Computed in the order of torchvision's v2: Pillow cuts levels off, so a last bit can show.
    """
    turn = math.radians(motion.angle)
    sx, sy = (math.radians(degrees) for degrees in motion.shear)
    a = math.cos(turn - sy) / math.cos(sy)
    b = -(a * math.tan(sx) + math.sin(turn))
    c = math.sin(turn - sy) / math.cos(sy)
    d = math.cos(turn) - c * math.tan(sx)
    (cx, cy), (tx, ty) = centre, motion.translate
    xx, xy, yx, yy = (value / motion.scale for value in (d, -b, -c, a))
    x, y = cx + tx, cy + ty
    return (xx, xy, cx - xx * x - xy * y, yx, yy, cy - yx * x - yy * y)


def corners(options: spec.Perspective, size: tuple[int, int], draws: Draws) -> list[Point]:
    """Return where the corners go, from the top left with the clock."""
    width, height = size
    across = int(options.distortion_scale * (width // 2)) + 1
    down = int(options.distortion_scale * (height // 2)) + 1
    places = ((0, 0), (width - across, 0), (width - across, height - down), (0, height - down))
    return [(x + draws.below(across), y + draws.below(down)) for x, y in places]


def tilted(image: Image.Image, ends: list[Point], options: spec.Perspective) -> Image.Image:
    """Return an image whose corners went to `ends`."""
    return image.transform(
        image.size,
        Image.Transform.PERSPECTIVE,
        _coefficients(image.size, ends),
        FILTERS[options.interpolation],
        fillcolor=filled(image, options.fill),
    )


def _coefficients(size: tuple[int, int], ends: list[Point]) -> list[float]:
    width, height = size
    starts = [(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)]
    rows = [
        row
        for (x, y), (u, v) in zip(ends, starts, strict=True)
        for row in (
            [x, y, 1, 0, 0, 0, -u * x, -u * y],
            [0, 0, 0, x, y, 1, -v * x, -v * y],
        )
    ]
    solved = np.linalg.lstsq(np.array(rows, np.float64), np.array(starts, np.float64).ravel())[0]
    # As torchvision: a last bit would decide at which side of a border a pixel lies.
    return [float(value) for value in solved.astype(np.float32)]
