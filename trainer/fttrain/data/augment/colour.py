"""Changes of colour, pixel by pixel as torchvision does on Pillow's images; blur within a level."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from fttrain.data.augment.picture import image as as_image
from fttrain.data.chance import Draws
from fttrain.spec import augmentation as spec

# Of the pixels of ImageNet, as AlexNet and those after it have them: red, green, blue.
EIGENVALUES = (0.2175, 0.0188, 0.0045)
EIGENVECTORS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)
Change = tuple[str, float]
"""`brightness`, `contrast`, `saturation` or `hue`, and by how much."""


def jitter(options: spec.ColorJitter, draws: Draws) -> list[Change]:
    """Return the changes in their order."""
    changes: list[Change] = [
        (name, draws.uniform(max(0.0, 1 - span), 1 + span))
        for name in ("brightness", "contrast", "saturation")
        if (span := getattr(options, name))
    ]
    if options.hue:
        changes.append(("hue", draws.uniform(-options.hue, options.hue)))
    return [changes.pop(draws.below(len(changes))) for _ in range(len(changes))]


def changed(image: Image.Image, change: Change) -> Image.Image:
    """Return an image with one change made."""
    name, factor = change
    if name == "hue":
        return _turned(image, factor)
    enhancers = {
        "brightness": ImageEnhance.Brightness,
        "contrast": ImageEnhance.Contrast,
        "saturation": ImageEnhance.Color,
        "sharpness": ImageEnhance.Sharpness,
    }
    return enhancers[name](image).enhance(factor)


def _turned(image: Image.Image, share: float) -> Image.Image:
    """Turn the hue by a share of the circle."""
    if image.mode == "L":
        return image
    hue, saturation, value = image.convert("HSV").split()
    shift = int(share * 255)
    hue = hue.point([(level + shift) % 256 for level in range(256)])
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")


def grey(image: Image.Image) -> Image.Image:
    """Return an image without colour, of as many channels."""
    return image if image.mode == "L" else Image.merge("RGB", [image.convert("L")] * 3)


def blur_sigma(options: spec.GaussianBlur, draws: Draws) -> float:
    """Return the standard deviation of a blur."""
    return draws.uniform(*options.sigma)


def blurred(image: Image.Image, size: int, sigma: float) -> Image.Image:
    """Return an image that is blurred, mirrored at its borders."""
    pixels = np.asarray(image)
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    weights = _gaussian(size, sigma)
    smooth = _along_rows(_along_rows(pixels.astype(np.float32), weights).swapaxes(0, 1), weights)
    np.rint(smooth, out=smooth)
    return as_image(np.ascontiguousarray(smooth.swapaxes(0, 1), np.uint8))


def _gaussian(size: int, sigma: float) -> NDArray[np.float32]:
    places = np.arange(size) - size // 2
    weights = np.exp(-0.5 * (places / sigma) ** 2)
    shares: NDArray[np.float32] = (weights / weights.sum()).astype(np.float32)
    return shares


def _along_rows(values: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the weighted sums down the first axis."""
    reach, count = len(weights) // 2, len(values)
    wide = np.pad(values, ((reach, reach), (0, 0), (0, 0)), mode="reflect")
    total: NDArray[np.float32] = wide[reach : reach + count] * weights[reach]
    pair = np.empty_like(total)
    for step in range(1, reach + 1):
        before, after = reach - step, reach + step
        np.add(wide[before : before + count], wide[after : after + count], out=pair)
        pair *= weights[after]
        total += pair
    return total


def lighting(options: spec.PcaLighting, draws: Draws) -> list[float]:
    """Return what each channel gains, in levels."""
    gains = [draws.normal() * options.std * value for value in EIGENVALUES]
    return [255 * sum(v * g for v, g in zip(row, gains, strict=True)) for row in EIGENVECTORS]


def lit(image: Image.Image, gains: list[float]) -> Image.Image:
    """Return an image whose channels gained so many levels."""
    table = [min(255, max(0, math.floor(level + g + 0.5))) for g in gains for level in range(256)]
    return image.point(table)


def sharpened(image: Image.Image, options: spec.AdjustSharpness) -> Image.Image:
    """Return a sharper or softer image."""
    return changed(image, ("sharpness", options.sharpness_factor))


def posterized(image: Image.Image, options: spec.Posterize) -> Image.Image:
    """Return an image of fewer levels."""
    return ImageOps.posterize(image, options.bits)


def solarized(image: Image.Image, options: spec.Solarize) -> Image.Image:
    """Return an image whose bright levels are inverted."""
    return ImageOps.solarize(image, options.threshold)  # type: ignore[arg-type]
