"""How alike two nets are, from the first layer to the last: three panels above one another."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fttrain.pictures import ink
from fttrain.pictures.ink import FAINT, INK, RUNS, TRAIN
from fttrain.pictures.look import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Body = Mapping[str, Any]
"""`architecture`, `first` and `second` with `title` and `epoch`, `images`, and `layers` with
`name`, `bias_cosine`, `weight_cosine`, `relative_l2` and `cka`, each of these None where it cannot
be said."""
_NAMED = 64
"""With more layers some have no names."""
_WEIGHTS, _BIASES, _MOVED, _FEATURES = RUNS[0], RUNS[1], RUNS[7], RUNS[2]


def draw(bodies: Sequence[Body], _look: Look) -> bytes:
    """Draw one comparison."""
    (body,) = bodies
    layers = body["layers"]
    title = f"{body['first']['title']} and {body['second']['title']}"
    width = max(7.0, min(15.0, 1.5 + 0.16 * len(layers)))
    drawn = ink.figure(width, 8.4, title)
    cosines, moved, features = drawn.subplots(3, 1, sharex=True)
    _title(cosines, "Cosine of parameters")
    _line(cosines, layers, "weight_cosine", _WEIGHTS, "weights")
    _line(cosines, layers, "bias_cosine", _BIASES, "biases")
    _title(moved, "Relative L2 difference of parameters")
    _bars(moved, layers)
    count = body["images"]
    _title(
        features, f"Linear CKA of features, {count} images" if count else "Linear CKA: no images"
    )
    _line(features, layers, "cka", _FEATURES, "")
    if cosines.lines:
        style: dict[str, Any] = {"frameon": False, "fontsize": 9, "labelcolor": INK}
        cosines.legend(loc="lower left", ncols=2, **style)
    for axes, low in ((cosines, _lowest(layers)), (features, 0.0)):
        axes.set_ylim(low, 1.04)
    for axes in (cosines, moved, features):
        _dress(axes)
    _name(features, [str(layer["name"]) for layer in layers])
    return ink.png(drawn)


def _lowest(layers: Sequence[Body]) -> float:
    said = [layer[key] for layer in layers for key in ("weight_cosine", "bias_cosine")]
    return min(0.0, *(float(value) * 1.06 for value in said if value is not None), 0.0)


def _title(axes: "Axes", text: str) -> None:
    axes.set_title(text, loc="left", fontsize=11, color=INK)


def _line(axes: "Axes", layers: Sequence[Body], key: str, color: str, label: str) -> None:
    # Layers of which it cannot be said leave no gap: between norms lie convolutions without a bias.
    points = [(x, layer[key]) for x, layer in enumerate(layers) if layer[key] is not None]
    if points:
        x, y = zip(*points, strict=True)
        axes.plot(x, y, color=color, lw=1.4, marker="o", ms=3.2, label=label, clip_on=False)
    elif not label:
        style: dict[str, Any] = {"ha": "center", "color": TRAIN, "fontsize": 10}
        axes.text(0.5, 0.5, "nothing to show here", transform=axes.transAxes, **style)


def _bars(axes: "Axes", layers: Sequence[Body]) -> None:
    points = [(x, each["relative_l2"]) for x, each in enumerate(layers)]
    points = [(x, y) for x, y in points if y is not None]
    if points:
        axes.bar([x for x, _ in points], [y for _, y in points], width=0.7, color=_MOVED)


def _dress(axes: "Axes") -> None:
    axes.grid(axis="y", color=FAINT, lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9, length=0, pad=5)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(TRAIN)


def _name(axes: "Axes", names: Sequence[str]) -> None:
    step = math.ceil(len(names) / _NAMED)
    shown = range(0, len(names), max(step, 1))
    labels = [ink.short(names[place], 34) for place in shown]
    axes.set_xticks(list(shown), labels, rotation=90, fontsize=7, parse_math=False)
    axes.set_xlim(-0.7, max(len(names) - 0.3, 0.7))
