"""Whether what is done to all images alike can be done once, and what it leaves of them kept."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from fttrain.cache.album import MOST_BYTES, MOST_SIDE
from fttrain.data import decode
from fttrain.data.augment.picture import array
from fttrain.data.decode import BadImage
from fttrain.data.ground import Groundwork
from fttrain.data.samples import Files, Samples
from fttrain.data.view import EvalView, TrainView
from fttrain.spec.plan import FeaturesCard, PicturesCard
from fttrain.spec.recipe import Recipe

_LOOKED_AT = 16
"""So many files are asked for their size, where it decides."""
Shape = tuple[int, ...]


def card(
    samples: Samples,
    recipe: Recipe,
    view: TrainView,
    *,
    features: FeaturesCard | None,
    is_part: bool,
) -> PicturesCard:
    """Return what a plan says of it.

    Args:
        samples: the training images.
        recipe: of one stage.
        view: of its training images.
        features: what is kept of what frozen blocks make of them.
        is_part: True if there are other stages.
    """
    ground, judged = view.ground(1), EvalView(view.preprocess).ground(1)
    shapes = list(_shapes(samples, ground))
    size = round(np.mean([np.prod(shape) for shape in shapes])) if shapes else 0
    is_in_files = isinstance(samples, Files)
    why = ""
    if is_in_files:
        why = _why_not(recipe, size, features=features, is_part=is_part)
    is_at_hand = not why if is_in_files else ground.is_nothing and judged.is_nothing
    are_small = _are_small(shapes) and _are_small(list(_shapes(samples, judged)))
    return PicturesCard(
        is_kept=is_in_files and not why,
        bytes_per_image=size,
        why=why,
        is_batched=is_at_hand and are_small and view.is_batched(1),
    )


def _why_not(recipe: Recipe, size: int, *, features: FeaturesCard | None, is_part: bool) -> str:
    train = recipe.train
    if recipe.data.cache == "none":
        return "data.cache is none"
    if features is not None and features.views:
        return "what frozen blocks make of them is kept instead"
    if size > MOST_BYTES:
        return (
            f"one takes {size / 1e6:.1f} MB, over {MOST_BYTES / 1e6:g} MB; data.decode_min_side "
            "makes less of large JPEGs"
        )
    if train.epochs * train.repeats == 1 and not is_part:
        return "one epoch sees each of them once"
    return ""


def _are_small(shapes: list[Shape]) -> bool:
    """Tell whether pictures are of one size, and small enough to be taken by the batch."""
    return len(set(shapes)) == 1 and max(shapes[0][:2]) <= MOST_SIDE


def _shapes(samples: Samples, ground: Groundwork) -> Iterator[Shape]:
    """Yield what some images are after their groundwork, (height, width, channels)."""
    places = np.unique(np.linspace(0, len(samples) - 1, _LOOKED_AT).astype(int)).tolist()
    if not isinstance(samples, Files):
        yield array(ground.done(samples.picture(places[0]))).shape
    elif ground.side is not None:
        yield ground.side, ground.side, 3
    else:
        for place in places:
            try:
                size = decode.size(samples.path(place), samples.how)
            except BadImage:
                continue
            yield array(ground.done(Image.new("RGB", size))).shape
