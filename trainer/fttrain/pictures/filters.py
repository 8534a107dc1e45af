"""The first layer's filters as a square of small images."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fttrain.pictures import ink, sheet
from fttrain.pictures.ink import TRAIN
from fttrain.pictures.look import BadLook, Look, choose
from fttrain.pictures.sheet import LEFT, TOP

Body = Mapping[str, Any]
"""`title`, `layer`, `filters` (how many it has), `shape` and `weights` of those that are kept."""
SCALES = {
    "each": "each filter scaled by its own largest weight",
    "joint": "all filters scaled by the largest weight",
}
_CELL = 48
"""Pixels of a drawn filter, about."""
_GAP = 0.1
"""Between filters, of one's side."""
_LEAST = 3.4
"""Inches; less has no room for words."""
Real = NDArray[np.float32]


def draw(bodies: Sequence[Body], look: Look) -> bytes:
    """Draw filters, scaled `each` by itself or `joint`. Raises BadLook.

    Mid-grey is 0: filters of three channels are colours, others shades of grey.
    """
    choose(look.metrics, tuple(SCALES), kind="filters")
    body = sheet.only(bodies, look, "filters", has_metrics=True)
    if len(look.metrics) > 1:
        raise BadLook(f"filters shows one scale, not {len(look.metrics)}")
    scale = (look.metrics or ("each",))[0]
    whole = mosaic(shaded(weights(body), scale))
    count = body["shape"][0]
    side = max(_LEAST, min(9.0, 0.62 * math.ceil(math.sqrt(count))))
    tall = side * whole.shape[0] / whole.shape[1]
    drawn = ink.figure(2 * LEFT + side, TOP + 0.5 + tall + LEFT, "")
    drawn.set_layout_engine("none")
    style: dict[str, Any] = {"fontsize": 13, "fontweight": "bold"}
    sheet.write(drawn, LEFT, 0.28, ink.short(str(body["title"]), round(side * 9)), **style)
    for line, text in enumerate(_told(body, scale)):
        sheet.write(drawn, LEFT, TOP + 0.06 + 0.18 * line, text, fontsize=8.5, color=TRAIN)
    sheet.paint(drawn, LEFT, TOP + 0.5, whole, side=side, interpolation="nearest", vmin=0, vmax=1)
    return ink.png(drawn)


def shaded(weights: Real, scale: str) -> Real:
    """Return weights, (filters, channels, height, width), as (filters, height, width, colours)
    from 0 to 1, 0 being 0.5."""
    most = np.abs(weights).max((1, 2, 3) if scale == "each" else None, keepdims=True)
    shades = 0.5 + weights / np.maximum(most, 1e-30) / 2
    if weights.shape[1] != 3:
        shades = shades.mean(1, keepdims=True)
    moved: Real = shades.transpose(0, 2, 3, 1)
    return moved


def mosaic(shades: Real) -> Real:
    """Put filters into as many columns as rows, or one more, with white between them."""
    count, height, width, colours = shades.shape
    columns = math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    times = max(1, round(_CELL / max(height, width)))
    gap = max(1, round(_GAP * times * max(height, width)))
    tall, wide = times * height + gap, times * width + gap
    whole = np.ones((rows * tall - gap, columns * wide - gap, colours), np.float32)
    for place, each in enumerate(shades.repeat(times, 1).repeat(times, 2)):
        top, left = place // columns * tall, place % columns * wide
        whole[top : top + times * height, left : left + times * width] = each
    return whole if colours == 3 else whole[..., 0]


def weights(body: Body) -> Real:
    """Return the filters that a body holds, (filters, channels, height, width)."""
    flat = np.frombuffer(base64.b64decode(body["weights"]), "<f4")
    kept: Real = flat.reshape(body["shape"]).astype(np.float32)
    return kept


def _told(body: Body, scale: str) -> tuple[str, str]:
    shown, channels, height, width = body["shape"]
    which = f"{shown} of " if shown < body["filters"] else ""
    colours = "in colour" if channels == 3 else "in grey"
    first = f"{body['layer']}: {which}{body['filters']} filters of {height} × {width}, {colours}"
    return first, f"{SCALES[scale]}; mid-grey is 0"
