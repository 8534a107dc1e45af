"""AutoAugment, RandAugment, TrivialAugmentWide and AugMix: chains of operations by name.

The operations, their strengths and the policies are torchvision's.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from fttrain.data.augment import colour, warps
from fttrain.data.augment.auto import POLICIES
from fttrain.data.augment.warps import Motion
from fttrain.data.chance import Draws
from fttrain.spec import augmentation as spec

Operation = tuple[str, float]
"""A name and a magnitude, as torchvision has them."""
Styled = spec.AutoAugment | spec.RandAugment | spec.TrivialAugmentWide | spec.AugMix
_AUTO_BINS = 10
_MIX_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How strong an operation can be: evenly from low to high."""

    low: float
    high: float
    signed: bool
    of: str = ""
    """`width` or `height` where the strength is a share of it."""
    is_whole: bool = False

    def at(self, place: int, bins: int, size: tuple[int, int]) -> float:
        """Return a magnitude, counted from 0, of so many."""
        unit = {"width": size[0], "height": size[1]}.get(self.of, 1)
        value = _linspace(self.low * unit, self.high * unit, bins, place)
        return float(round(value)) if self.is_whole else value


def _linspace(low: float, high: float, bins: int, place: int) -> float:
    """Return one of evenly spaced numbers, rounded as torch rounds them.

    Shifts are cut to whole pixels: 15.999999 of 32 bits is 15, where 64 bits have 16.
    """
    low32, high32 = np.float32(low), np.float32(high)
    step = float((high32 - low32) / np.float32(bins - 1))
    if place < bins // 2:
        return float(np.float32(float(low32) + step * place))
    return float(np.float32(float(high32) - step * (bins - 1 - place)))


def _spans(
    *, shear: float, shift: tuple[Span, Span], turn: float, factor: float, bits: tuple[int, int]
) -> dict[str, Span | None]:
    def even(high: float) -> Span:
        return Span(low=0.0, high=high, signed=True)

    return {
        "ShearX": even(shear),
        "ShearY": even(shear),
        "TranslateX": shift[0],
        "TranslateY": shift[1],
        "Rotate": even(turn),
        "Brightness": even(factor),
        "Color": even(factor),
        "Contrast": even(factor),
        "Sharpness": even(factor),
        "Posterize": Span(low=bits[0], high=bits[1], signed=False, is_whole=True),
        "Solarize": Span(low=1.0, high=0.0, signed=False),
        "AutoContrast": None,
        "Equalize": None,
    }


def _shares(share: float) -> tuple[Span, Span]:
    return (
        Span(low=0.0, high=share, signed=True, of="width"),
        Span(low=0.0, high=share, signed=True, of="height"),
    )


_PIXELS = Span(low=0.0, high=32.0, signed=True)
_USUAL = _spans(shear=0.3, shift=_shares(150 / 331), turn=30.0, factor=0.9, bits=(8, 4))
AUTO: Mapping[str, Span | None] = {**_USUAL, "Invert": None}
RANDOM: Mapping[str, Span | None] = {"Identity": None, **_USUAL}
WIDE: Mapping[str, Span | None] = {
    "Identity": None,
    **_spans(shear=0.99, shift=(_PIXELS, _PIXELS), turn=135.0, factor=0.99, bits=(8, 2)),
}
MIXED: Mapping[str, Span | None] = _spans(
    shear=0.3, shift=_shares(1 / 3), turn=30.0, factor=0.9, bits=(4, 0)
)
_STRONG = {"Brightness", "Color", "Contrast", "Sharpness"}


# --- which operations -------------------------------------------------------------------------


def auto(options: spec.AutoAugment, size: tuple[int, int], draws: Draws) -> list[Operation]:
    """Return the operations of one policy of the list that come about."""
    policies = POLICIES[options.policy]
    chosen: list[Operation] = []
    for name, p, level in policies[draws.below(len(policies))]:
        comes = draws.uniform() < p
        positive = draws.uniform() < 0.5
        if comes:
            span = AUTO[name]
            size_of = 0.0 if span is None else span.at(level, _AUTO_BINS, size)
            signed = span is not None and span.signed and not positive
            chosen.append((name, -size_of if signed else size_of))
    return chosen


def random(options: spec.RandAugment, size: tuple[int, int], draws: Draws) -> list[Operation]:
    """Return as many operations as stated, all of one strength."""
    return [
        _operation(RANDOM, options.magnitude, options.num_magnitude_bins, size, draws)
        for _ in range(options.num_ops)
    ]


def wide(options: spec.TrivialAugmentWide, size: tuple[int, int], draws: Draws) -> Operation:
    """Return one operation of random strength."""
    place = draws.below(options.num_magnitude_bins)
    return _operation(WIDE, place, options.num_magnitude_bins, size, draws)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """What AugMix adds up."""

    own: float
    """The share of the image itself."""
    chains: Sequence[tuple[float, list[Operation]]]
    """Shares, and the operations, in order."""


def mixture(options: spec.AugMix, size: tuple[int, int], draws: Draws) -> Mixture:
    """Return the chains and their shares."""
    space = {k: v for k, v in MIXED.items() if options.all_ops or k not in _STRONG}
    own, rest = draws.dirichlet(options.alpha, 2)
    shares = [rest * share for share in draws.dirichlet(options.alpha, options.mixture_width)]
    return Mixture(
        own=own,
        chains=[
            (
                share,
                [
                    _operation(space, draws.below(options.severity), _MIX_BINS, size, draws)
                    for _ in range(options.chain_depth or 1 + draws.below(3))
                ],
            )
            for share in shares
        ],
    )


def _operation(
    space: Mapping[str, Span | None], place: int, bins: int, size: tuple[int, int], draws: Draws
) -> Operation:
    name = list(space)[draws.below(len(space))]
    span = space[name]
    if span is None:
        return name, 0.0
    magnitude = span.at(place, bins, size)
    return name, -magnitude if span.signed and draws.uniform() < 0.5 else magnitude


# --- doing them -------------------------------------------------------------------------------


def done(image: Image.Image, operations: Sequence[Operation], style: Styled) -> Image.Image:
    """Return an image after operations in a row."""
    for name, magnitude in operations:
        image = _OPERATIONS[name](image, magnitude, style)
    return image


def mixed(image: Image.Image, mixture: Mixture, style: spec.AugMix) -> Image.Image:
    """Return the sum of an image and of what chains of operations make of it."""
    total = np.asarray(image).astype(np.float32) * np.float32(mixture.own)
    for share, operations in mixture.chains:
        total += np.asarray(done(image, operations, style)) * np.float32(share)
    # As torchvision: cut off, not rounded.
    return Image.fromarray(total.clip(0, 255).astype(np.uint8))


def _shear(image: Image.Image, x: float, y: float, style: Styled) -> Image.Image:
    shear = (math.degrees(math.atan(x)), math.degrees(math.atan(y)))
    return warps.moved(
        image, Motion(shear=shear), style.interpolation, style.fill, centre=(0.0, 0.0)
    )


def _shift(image: Image.Image, x: float, y: float, style: Styled) -> Image.Image:
    motion = Motion(translate=(int(x), int(y)))
    return warps.moved(image, motion, style.interpolation, style.fill)


def _posterized(image: Image.Image, bits: int) -> Image.Image:
    # The strongest of AugMix leave no bit, of which Pillow wants at least one.
    return ImageOps.posterize(image, bits) if bits else Image.new(image.mode, image.size)


def _factor(name: str) -> Callable[[Image.Image, float, Styled], Image.Image]:
    return lambda image, magnitude, _: colour.changed(image, (name, 1.0 + magnitude))


_OPERATIONS: Mapping[str, Callable[[Image.Image, float, Styled], Image.Image]] = {
    "Identity": lambda image, _, __: image,
    "ShearX": lambda image, by, style: _shear(image, by, 0.0, style),
    "ShearY": lambda image, by, style: _shear(image, 0.0, by, style),
    "TranslateX": lambda image, by, style: _shift(image, by, 0.0, style),
    "TranslateY": lambda image, by, style: _shift(image, 0.0, by, style),
    "Rotate": lambda image, by, style: warps.rotated(image, by, style.interpolation, style.fill),
    "Brightness": _factor("brightness"),
    "Color": _factor("saturation"),
    "Contrast": _factor("contrast"),
    "Sharpness": _factor("sharpness"),
    "Posterize": lambda image, bits, _: _posterized(image, int(bits)),
    "Solarize": lambda image, share, _: ImageOps.solarize(image, 255.0 * share),  # type: ignore[arg-type]
    "AutoContrast": lambda image, _, __: ImageOps.autocontrast(image),
    "Equalize": lambda image, _, __: ImageOps.equalize(image),
    "Invert": lambda image, _, __: ImageOps.invert(image),
}
