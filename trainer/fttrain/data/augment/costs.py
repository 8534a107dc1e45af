"""What changes of images cost, measured, and when that is a share worth telling.

Measured as `applied` does them, on photos of 224 x 224 pixels, per image and core, the best of 4
rounds of 24 (Pillow 12, x86-64 with AVX-512). Training was measured the same way: 36 GFLOP/s of a
core with MobileNetV2, 101 with ResNet-50, 162 with ResNet-18.
"""

from collections.abc import Iterable, Sequence

from fttrain.data.augment import check
from fttrain.spec.augmentation import Augmentation
from fttrain.spec.images import Preprocess

_SIDE = 224
_MS = {
    "random_crop": 0.06, "random_resized_crop": 0.33, "resize": 0.49, "center_crop": 0.04,
    "horizontal_flip": 0.05, "vertical_flip": 0.03,
    "rotation": 0.14, "affine": 0.20, "perspective": 0.88,
    "grayscale": 0.07, "pca_lighting": 0.25, "adjust_sharpness": 0.60,
    "autocontrast": 0.22, "equalize": 0.20, "invert": 0.11, "posterize": 0.12, "solarize": 0.12,
    "auto_augment": 0.22, "rand_augment": 0.34, "trivial_augment_wide": 0.19, "aug_mix": 3.34,
    "random_erasing": 0.07, "grid_mask": 0.20,
}  # fmt: skip
# As much again for each.
_JITTER_MS = {"brightness": 0.12, "contrast": 0.24, "saturation": 0.21, "hue": 1.41}
_BILINEAR_MS = {"rotation": 0.90, "affine": 0.75}
_NOISE_MS = {"random_erasing": 0.52, "grid_mask": 0.60}
_BLUR_MS, _BLUR_PIXEL_MS = 0.58, 0.036

CORE_FLOPS = 100e9
"""Of a core that trains, per second: between those measured."""
ACCELERATOR_FLOPS = 10e12
"""Assumed, not measured: a data-centre card in 32 bits does this and more."""
SHARE = 0.25
"""On cores that both train and load, more than this share of training's time is told."""


def per_image(choice: Augmentation, side: int | None) -> float:
    """Return the milliseconds of a core that a change costs, on the average of its p."""
    kind, options = choice.kind, choice.value
    cost = _MS.get(kind, 0.0)
    if kind == "color_jitter":
        cost = sum(ms for name, ms in _JITTER_MS.items() if getattr(options, name))
    if kind == "gaussian_blur":
        cost = _BLUR_MS + _BLUR_PIXEL_MS * options.kernel_size
    if kind in _BILINEAR_MS and options.interpolation == "bilinear":
        cost += _BILINEAR_MS[kind]
    if kind in _NOISE_MS and options.value == "random":
        cost += _NOISE_MS[kind]
    return float(options.p * cost * ((side or _SIDE) / _SIDE) ** 2)


def notices(
    augment: Sequence[Augmentation],
    preprocess: Preprocess,
    *,
    flops: float,
    device: str,
    loaders: int,
    side: int,
) -> Iterable[str]:
    """Say where changing images takes a large share of a run, and which changes do.

    `flops` are those of training on one image of so many pixels a side.
    """
    costs = [
        (per_image(choice, check.side(preprocess, augment[: place + 1]) or side), choice.kind)
        for place, choice in enumerate(augment)
    ]
    total = sum(cost for cost, _ in costs)
    if device == "cpu":
        training, waits = 1e3 * flops / CORE_FLOPS, total
        is_large = total > SHARE * training
    else:
        training, waits = 1e3 * flops / ACCELERATOR_FLOPS, total / max(loaders, 1)
        is_large = waits > training
    if is_large and total > 0:
        most = ", ".join(f"{kind} {cost:.2g}" for cost, kind in sorted(costs, reverse=True)[:3])
        yield (
            f"changing an image takes about {total:.2g} ms of a core ({most}), training on it "
            f"about {training:.2g} ms{_of(device, loaders)}: {_remedy(device)}"
        )


def _of(device: str, loaders: int) -> str:
    if device == "cpu":
        return " of a core"
    plural, verb = ("", "serves") if loaders == 1 else ("es", "serve")
    return f" of the accelerator, which {loaders or 'no'} loader process{plural} {verb}"


def _remedy(device: str) -> str:
    if device == "cpu":
        return "fewer or cheaper changes make the run faster"
    return "the accelerator will wait; state more data.workers, or fewer or cheaper changes"
