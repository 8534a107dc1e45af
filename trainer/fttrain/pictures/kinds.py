"""Every kind of picture, by name."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fttrain.pictures import confusion, curves, features, filters, guided, mistakes, runs, tiles
from fttrain.pictures.look import BadLook, Look
from fttrain.spec.nearest import hint

Draw = Callable[[Sequence[Mapping[str, Any]], Look], bytes]
KINDS: Mapping[str, Draw] = {
    "curves": curves.draw,
    "confusion": confusion.draw,
    "confusion-test": confusion.draw,
    "predictions": tiles.draw_predictions,
    "mistakes": mistakes.draw,
    "filters": filters.draw,
    "features": features.draw,
    "guided_backprop": guided.draw,
    "augmentations": tiles.draw_augmentations,
    "runs": runs.draw,
}


def draw(kind: str, bodies: Sequence[Mapping[str, Any]], look: Look) -> bytes:
    """Draw a picture of its numbers, at least one set of them, as a PNG file.

    Raises:
        BadLook: where it cannot be drawn so.
    """
    if kind not in KINDS:
        near = hint(kind, KINDS) or f"; there are {', '.join(KINDS)}"
        raise BadLook(f"there is no picture `{kind}`{near}")
    return KINDS[kind](bodies, look)
