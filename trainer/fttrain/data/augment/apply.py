"""From what a recipe says of a change, and chance, to the changed picture."""

from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image, ImageOps

from fttrain.data.augment import colour, crops, holes, policies, warps
from fttrain.data.augment.picture import FILTERS, Picture, image
from fttrain.data.chance import Draws
from fttrain.spec import augmentation as spec
from fttrain.spec.augmentation import Augmentation
from fttrain.spec.images import Preprocess

Apply = Callable[[Picture, Any, Draws, Preprocess], Picture]


def applied(
    picture: Picture, choice: Augmentation, draws: Draws, preprocess: Preprocess
) -> Picture:
    """Return a picture after a change, or as it is where chance will have it so."""
    options = choice.value
    # What always comes draws nothing for it.
    if options.p < 1 and draws.uniform() >= options.p:
        return picture
    return _WAYS[choice.kind](picture, options, draws, preprocess)


def _flipped(picture: Picture, options: Any, draws: Draws, preprocess: Preprocess) -> Picture:
    if isinstance(picture, Image.Image):
        return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return picture[:, ::-1]


def _turned_over(picture: Picture, options: Any, draws: Draws, preprocess: Preprocess) -> Picture:
    if isinstance(picture, Image.Image):
        return picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return picture[::-1]


def _random_resized_crop(
    picture: Picture, options: spec.RandomResizedCrop, draws: Draws, preprocess: Preprocess
) -> Picture:
    whole = image(picture)
    part = crops.cropped(whole, crops.random_resized(whole.size, options, draws))
    return part.resize((options.size, options.size), FILTERS[preprocess.interpolation])


def _random_crop(
    picture: Picture, options: spec.RandomCrop, draws: Draws, preprocess: Preprocess
) -> Picture:
    whole = image(picture)
    box = crops.random(whole.size, options, draws)
    return crops.cropped(crops.padded(whole, options), box)


def _resize(
    picture: Picture, options: spec.Resize, draws: Draws, preprocess: Preprocess
) -> Picture:
    return crops.resized(image(picture), options.size, FILTERS[preprocess.interpolation])


def _erasing(
    picture: Picture, options: spec.RandomErasing, draws: Draws, preprocess: Preprocess
) -> Picture:
    box = holes.rectangle(_size(picture), options, draws)
    return holes.erased(picture, box, options.value, draws, preprocess)


def _grid_mask(
    picture: Picture, options: spec.GridMask, draws: Draws, preprocess: Preprocess
) -> Picture:
    hidden = holes.grid(_size(picture), options, draws)
    return holes.masked(picture, hidden, options.value, draws, preprocess)


def _size(picture: Picture) -> tuple[int, int]:
    if isinstance(picture, Image.Image):
        return picture.size
    return picture.shape[1], picture.shape[0]


def _of_image(change: Callable[[Image.Image, Any, Draws], Image.Image]) -> Apply:
    return lambda picture, options, draws, _: change(image(picture), options, draws)


def _jittered(seen: Image.Image, options: spec.ColorJitter, draws: Draws) -> Image.Image:
    for change in colour.jitter(options, draws):
        seen = colour.changed(seen, change)
    return seen


_WAYS: Mapping[str, Apply] = {
    "horizontal_flip": _flipped,
    "vertical_flip": _turned_over,
    "random_crop": _random_crop,
    "random_resized_crop": _random_resized_crop,
    "resize": _resize,
    "center_crop": _of_image(lambda seen, o, _: crops.centre_cropped(seen, o.size)),
    "rotation": _of_image(
        lambda seen, o, draws: warps.rotated(seen, warps.angle(o, draws), o.interpolation, o.fill)
    ),
    "affine": _of_image(
        lambda seen, o, draws: warps.moved(
            seen, warps.motion(o, seen.size, draws), o.interpolation, o.fill
        )
    ),
    "perspective": _of_image(
        lambda seen, o, draws: warps.tilted(seen, warps.corners(o, seen.size, draws), o)
    ),
    "color_jitter": _of_image(_jittered),
    "grayscale": _of_image(lambda seen, _, __: colour.grey(seen)),
    "gaussian_blur": _of_image(
        lambda seen, o, draws: colour.blurred(seen, o.kernel_size, colour.blur_sigma(o, draws))
    ),
    "pca_lighting": _of_image(lambda seen, o, draws: colour.lit(seen, colour.lighting(o, draws))),
    "adjust_sharpness": _of_image(lambda seen, o, _: colour.sharpened(seen, o)),
    "autocontrast": _of_image(lambda seen, _, __: ImageOps.autocontrast(seen)),
    "equalize": _of_image(lambda seen, _, __: ImageOps.equalize(seen)),
    "invert": _of_image(lambda seen, _, __: ImageOps.invert(seen)),
    "posterize": _of_image(lambda seen, o, _: colour.posterized(seen, o)),
    "solarize": _of_image(lambda seen, o, _: colour.solarized(seen, o)),
    "auto_augment": _of_image(
        lambda seen, o, draws: policies.done(seen, policies.auto(o, seen.size, draws), o)
    ),
    "rand_augment": _of_image(
        lambda seen, o, draws: policies.done(seen, policies.random(o, seen.size, draws), o)
    ),
    "trivial_augment_wide": _of_image(
        lambda seen, o, draws: policies.done(seen, [policies.wide(o, seen.size, draws)], o)
    ),
    "aug_mix": _of_image(
        lambda seen, o, draws: policies.mixed(seen, policies.mixture(o, seen.size, draws), o)
    ),
    "random_erasing": _erasing,
    "grid_mask": _grid_mask,
}
