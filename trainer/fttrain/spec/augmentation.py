"""What a recipe says of random changes of training images.

Names and defaults are those of torchvision's transforms.v2, in snake case.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from fttrain.spec.choice import FLAT, OneOf, Strict, shape
from fttrain.spec.values import MOST_SIDE, Count, NonNegative, Positive, Range, Side

Probability = Annotated[float, Field(ge=0, le=1)]
Level = Annotated[float, Field(ge=0, le=255)]
Interpolation = Literal["nearest", "bilinear"]
# JSON has no tuples: behind a choice, pydantic sees a list and must be allowed to take it.
Pair = Annotated[tuple[float, float], Field(strict=False)]
NonNegativeRange = Annotated[tuple[NonNegative, NonNegative], Field(strict=False)]
ShareRange = Annotated[tuple[Probability, Probability], Field(strict=False)]
CountRange = Annotated[tuple[Count, Count], Field(strict=False)]

_ALWAYS: Any = Field(1.0, description="Probability.")
_EVEN: Any = Field(0.5, description="Probability.")
_FILL: Any = Field(0.0, description="Level of what comes in from outside, 0 (black) to 255.")
_NEAREST: Any = Field("nearest", description="How pixels are taken between pixels.")
_BILINEAR: Any = Field("bilinear", description="How pixels are taken between pixels.")
_SIDE: Any = Field(description="Side of the result in pixels.")


def _check_ranges(options: Strict, *names: str) -> None:
    for name in names:
        pair = getattr(options, name)
        if pair is not None and pair[0] > pair[1]:
            raise ValueError(f"{name} is [{pair[0]:g}, {pair[1]:g}]: the least comes first")


# --- where pixels are -------------------------------------------------------------------------


class RandomCrop(Strict):
    """Pads, and crops a square at a random place. An image that is smaller is padded to fit."""

    size: Side = _SIDE
    padding: Annotated[int, Field(ge=0, le=MOST_SIDE)] = Field(
        0, description="Added on every side, in pixels."
    )
    padding_mode: Literal["constant", "edge", "reflect", "symmetric"] = Field(
        "constant", description="What is added: `fill`, the border, or the image mirrored."
    )
    fill: Level = Field(0.0, description="Level of constant padding, 0 (black) to 255.")
    p: Probability = _ALWAYS


class RandomResizedCrop(Strict):
    """Crops a random area of random aspect and resizes it."""

    size: Side = _SIDE
    scale: Range = Field((0.08, 1.0), description="Least and greatest share of the image's area.")
    ratio: Range = Field((3 / 4, 4 / 3), description="Least and greatest width over height.")
    p: Probability = _ALWAYS


class Resize(Strict):
    """Resizes, and keeps the aspect."""

    size: Side = Field(description="Shorter side of the result in pixels.")
    p: Probability = _ALWAYS


class CenterCrop(Strict):
    """Crops the centre. An image that is smaller is padded with black."""

    size: Side = _SIDE
    p: Probability = _ALWAYS


class HorizontalFlip(Strict):
    """Mirrors left and right."""

    p: Probability = _EVEN


class VerticalFlip(Strict):
    """Mirrors top and bottom."""

    p: Probability = _EVEN


class Rotation(Strict):
    """Turns about the centre; the size stays."""

    degrees: Annotated[float, Field(ge=0, le=180)] = Field(
        description="Turns by an angle from minus this to this."
    )
    interpolation: Interpolation = _NEAREST
    fill: Level = _FILL
    p: Probability = _ALWAYS


class Affine(Strict):
    """Turns, shifts, scales and shears about the centre; the size stays."""

    degrees: Annotated[float, Field(ge=0, le=180)] = Field(
        0.0, description="Turns by an angle from minus this to this."
    )
    translate: ShareRange | None = Field(
        None, description="Greatest shift, as shares of width and height."
    )
    scale: Range | None = Field(None, description="Least and greatest factor of size.")
    shear: Annotated[float, Field(ge=0, lt=90)] = Field(
        0.0, description="Shears in x by an angle from minus this to this, in degrees."
    )
    interpolation: Interpolation = _NEAREST
    fill: Level = _FILL
    p: Probability = _ALWAYS

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_ranges(self, "scale")
        return self


class Perspective(Strict):
    """Moves the four corners inwards."""

    distortion_scale: Probability = Field(
        0.5, description="Greatest move, as a share of half the width and height."
    )
    interpolation: Interpolation = _BILINEAR
    fill: Level = _FILL
    p: Probability = _EVEN


# --- which colour they have -------------------------------------------------------------------


class ColorJitter(Strict):
    """Changes brightness, contrast, saturation and hue, in random order."""

    brightness: NonNegative = Field(0.0, description="Factor from 1 minus this to 1 plus this.")
    contrast: NonNegative = Field(0.0, description="Factor from 1 minus this to 1 plus this.")
    saturation: NonNegative = Field(0.0, description="Factor from 1 minus this to 1 plus this.")
    hue: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.0, description="Turns hue by minus this to this of the colour circle."
    )
    p: Probability = _ALWAYS


class Grayscale(Strict):
    """Takes the colour away; the channels stay."""

    p: Probability = Field(0.1, description="Probability.")


class GaussianBlur(Strict):
    """Blurs."""

    kernel_size: Annotated[int, Field(ge=1, le=199)] = Field(description="In pixels, odd.")
    sigma: Range = Field((0.1, 2.0), description="Least and greatest standard deviation.")
    p: Probability = _ALWAYS

    @model_validator(mode="after")
    def _centred(self) -> Self:
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is {self.kernel_size}; say an odd number")
        _check_ranges(self, "sigma")
        return self


class PcaLighting(Strict):
    """Adds the main colours of ImageNet, each times a random number, as AlexNet did."""

    std: Positive = Field(0.1, description="Standard deviation of the random numbers.")
    p: Probability = _ALWAYS


class AdjustSharpness(Strict):
    """Sharpens (factor over 1) or softens (under 1)."""

    sharpness_factor: NonNegative = Field(description="0 blurs, 1 changes nothing.")
    p: Probability = _EVEN


class Autocontrast(Strict):
    """Stretches each channel to all levels."""

    p: Probability = _EVEN


class Equalize(Strict):
    """Makes the levels of each channel equally frequent."""

    p: Probability = _EVEN


class Invert(Strict):
    """Makes a negative."""

    p: Probability = _EVEN


class Posterize(Strict):
    """Leaves fewer levels."""

    bits: Annotated[int, Field(ge=1, le=8)] = Field(description="Bits that each channel keeps.")
    p: Probability = _EVEN


class Solarize(Strict):
    """Inverts what is bright."""

    threshold: Level = Field(description="Least level that is inverted.")
    p: Probability = _EVEN


# --- policies ---------------------------------------------------------------------------------


class AutoAugment(Strict):
    """Two operations of a policy that was found by search."""

    policy: Literal["imagenet", "cifar10", "svhn"] = Field(
        "imagenet", description="On which images it was found."
    )
    interpolation: Interpolation = _NEAREST
    fill: Level = _FILL
    p: Probability = _ALWAYS


class RandAugment(Strict):
    """Some of 14 operations, drawn evenly, all of one strength."""

    num_ops: Annotated[int, Field(ge=0, le=14)] = Field(2, description="Operations in a row.")
    magnitude: Annotated[int, Field(ge=0)] = Field(
        9, description="Strength, from 0 to one less than num_magnitude_bins."
    )
    num_magnitude_bins: Annotated[int, Field(ge=2)] = Field(31, description="Strengths there are.")
    interpolation: Interpolation = _NEAREST
    fill: Level = _FILL
    p: Probability = _ALWAYS

    @model_validator(mode="after")
    def _within_bins(self) -> Self:
        if self.magnitude >= self.num_magnitude_bins:
            most = self.num_magnitude_bins - 1
            raise ValueError(f"magnitude is {self.magnitude}; num_magnitude_bins allow {most}")
        return self


class TrivialAugmentWide(Strict):
    """One of 14 operations of random strength."""

    num_magnitude_bins: Annotated[int, Field(ge=2)] = Field(31, description="Strengths there are.")
    interpolation: Interpolation = _NEAREST
    fill: Level = _FILL
    p: Probability = _ALWAYS


class AugMix(Strict):
    """Mixes the image with chains of random operations on it."""

    severity: Annotated[int, Field(ge=1, le=10)] = Field(3, description="Greatest strength.")
    mixture_width: Annotated[int, Field(ge=1, le=10)] = Field(3, description="Number of chains.")
    chain_depth: Annotated[int, Field(ge=1, le=10)] | None = Field(
        None, description="Operations in a chain; 1 to 3, drawn for each, where it is not stated."
    )
    alpha: Positive = Field(1.0, description="Of the Dirichlet distributions of the weights.")
    all_ops: bool = Field(True, description="Use brightness, contrast, color and sharpness, too.")
    interpolation: Interpolation = _BILINEAR
    fill: Level = _FILL
    p: Probability = _ALWAYS


# --- what is hidden ---------------------------------------------------------------------------

Hidden = Annotated[
    Annotated[Level, Tag("<number>")] | Annotated[Literal["mean", "random"], Tag("<name>")],
    Discriminator(shape),
    FLAT,
]
_HIDDEN: Any = Field(
    "mean",
    description="What takes the place: a level from 0 (black) to 255, the preprocessing's "
    "`mean` (0 in the net's input), or `random` numbers about it with its std.",
)


class RandomErasing(Strict):
    """Hides a rectangle."""

    scale: ShareRange = Field((0.02, 0.33), description="Least and greatest share of the area.")
    ratio: Range = Field((0.3, 3.3), description="Least and greatest height over width.")
    value: Hidden = _HIDDEN
    p: Probability = _EVEN

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_ranges(self, "scale", "ratio")
        return self


class GridMask(Strict):
    """Hides a grid of squares."""

    cell: CountRange = Field(
        (96, 224), description="Least and greatest side of a cell of the grid, in pixels."
    )
    ratio: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.6, description="Share of a cell's side that stays seen."
    )
    value: Hidden = _HIDDEN
    p: Probability = _EVEN

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_ranges(self, "cell")
        return self


class Augmentation(OneOf):
    """One random change of a training image, a pure function of (seed, epoch, image, repeat)."""

    random_crop: RandomCrop | None = None
    random_resized_crop: RandomResizedCrop | None = None
    resize: Resize | None = None
    center_crop: CenterCrop | None = None
    horizontal_flip: HorizontalFlip | None = None
    vertical_flip: VerticalFlip | None = None
    rotation: Rotation | None = None
    affine: Affine | None = None
    perspective: Perspective | None = None
    color_jitter: ColorJitter | None = None
    grayscale: Grayscale | None = None
    gaussian_blur: GaussianBlur | None = None
    pca_lighting: PcaLighting | None = None
    adjust_sharpness: AdjustSharpness | None = None
    autocontrast: Autocontrast | None = None
    equalize: Equalize | None = None
    invert: Invert | None = None
    posterize: Posterize | None = None
    solarize: Solarize | None = None
    auto_augment: AutoAugment | None = None
    rand_augment: RandAugment | None = None
    trivial_augment_wide: TrivialAugmentWide | None = None
    aug_mix: AugMix | None = None
    random_erasing: RandomErasing | None = None
    grid_mask: GridMask | None = None


# --- whole batches ----------------------------------------------------------------------------

_MIXED: Any = Field(1.0, description="Probability, once it is chosen for a batch.")


class Mixup(Strict):
    """Blends each image, and its class, with another one of the batch."""

    alpha: Positive = Field(1.0, description="The share is drawn of Beta(alpha, alpha).")
    p: Probability = _MIXED


class Cutmix(Strict):
    """Pastes a rectangle of another image of the batch; classes count by area."""

    alpha: Positive = Field(1.0, description="The area is drawn by Beta(alpha, alpha).")
    p: Probability = _MIXED


class Mix(OneOf):
    """A way of mixing the images of a batch. Of a list, one is chosen evenly for each batch."""

    mixup: Mixup | None = None
    cutmix: Cutmix | None = None
