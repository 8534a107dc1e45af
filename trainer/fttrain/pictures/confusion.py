"""What is taken for what: a cell for each pair of classes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fttrain.pictures import ink
from fttrain.pictures.ink import INK, TRAIN, VAL
from fttrain.pictures.look import BadLook, Look, choose, without_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Body = Mapping[str, Any]
"""`title`, `split`, `classes` and `counts`: rows are what images are, columns what they are
taken for."""
SHADES = {
    "recall": "share of the row",
    "precision": "share of the column",
    "count": "images",
}
NUMBERED, NAMED = 20, 130
"""With more classes cells have no numbers, or classes no names."""
Real = NDArray[np.float64]


def draw(bodies: Sequence[Body], look: Look) -> bytes:
    """Draw one matrix. Raises BadLook."""
    choose(look.metrics, tuple(SHADES), kind="confusion")
    without_axes(look, kind="confusion")
    if len(bodies) != 1:
        raise BadLook(f"confusion is drawn of one job, not of {len(bodies)}; curves compares")
    if len(look.metrics) > 1:
        raise BadLook(f"confusion shows one metric, not {len(look.metrics)}")
    shown, body = (look.metrics or ("recall",))[0], bodies[0]
    counts = np.array(body["counts"], np.int64)
    size = _size(body["classes"])
    drawn = ink.figure(size + 1.2, size + 0.7, str(body["title"]))
    axes = drawn.subplots()
    shades = shaded(counts, shown)
    image = axes.imshow(shades, cmap=ink.paper(), vmin=0, vmax=max(1, shades.max()))
    _name(axes, body["classes"], size)
    _number(axes, counts, shades / max(1, shades.max()), size)
    _bar(drawn, axes, image, shown)
    axes.set_title(_told(counts, body["split"]), loc="left", fontsize=9, color=VAL, pad=8)
    return ink.png(drawn)


def shaded(counts: NDArray[np.int64], metric: str) -> Real:
    """Return how dark each cell is."""
    if metric == "count":
        return counts.astype(np.float64)
    whole = counts.sum(1, keepdims=True) if metric == "recall" else counts.sum(0, keepdims=True)
    shares: Real = counts / np.maximum(whole, 1)
    return shares


def _size(classes: Sequence[str]) -> float:
    """Return the side in inches."""
    longest = max(len(ink.short(name, 24)) for name in classes)
    cell = 0.62 if len(classes) <= 8 else 0.42 if len(classes) <= NUMBERED else 0.115
    return max(3.2, min(12.0, len(classes) * cell + 0.065 * longest))


def _name(axes: "Axes", classes: Sequence[str], size: float) -> None:
    axes.set_xlabel("is taken for", color=INK, fontsize=9)
    axes.set_ylabel("is", color=INK, fontsize=9)
    axes.tick_params(colors=INK, length=0, pad=3, labelsize=9)
    for spine in axes.spines.values():
        spine.set_color(TRAIN)
        spine.set_linewidth(0.5)
    if len(classes) > NAMED:
        return
    places = range(len(classes))
    names = [ink.short(name, 24) for name in classes]
    style: dict[str, Any] = {"parse_math": False}
    style["fontsize"] = max(4.0, min(9.0, 50 * size / len(classes)))
    is_upright = len(classes) > 8 or max(map(len, names)) > 8
    axes.set_xticks(places, names, rotation=90 if is_upright else 0, **style)
    axes.set_yticks(places, names, **style)


def _number(axes: "Axes", counts: NDArray[np.int64], depth: Real, size: float) -> None:
    if len(counts) > NUMBERED:
        return
    points = min(11.0, 24 * size / len(counts))
    for row, column in zip(*np.nonzero(counts), strict=True):
        color = "white" if depth[row, column] > 0.45 else INK
        style: dict[str, Any] = {"ha": "center", "va": "center", "color": color}
        axes.text(column, row, str(counts[row, column]), fontsize=points, **style)


def _bar(drawn: Any, axes: "Axes", image: Any, shown: str) -> None:
    bar = drawn.colorbar(image, ax=axes, fraction=0.035, pad=0.02, aspect=30)
    bar.set_label(SHADES[shown], color=INK, fontsize=9)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=INK, length=0, labelsize=8)


def _told(counts: NDArray[np.int64], split: str) -> str:
    right, images = int(counts.trace()), int(counts.sum())
    which = {"val": "validation", "test": "test"}.get(split, split)
    return f"{which}: {right} of {images} right ({right / max(images, 1):.3f})"
