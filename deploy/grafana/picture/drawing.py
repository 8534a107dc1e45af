"""Draws each kind of panel."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from deploy.grafana.picture import tables
from deploy.grafana.picture.answers import Curve, Source
from deploy.grafana.picture.sheet import GRID, INK, MUTED, PALETTE, PANEL, colour, stepped
from deploy.grafana.picture.words import say

Panel = Mapping[str, Any]
rows = tables.rows
_MOST_NAMES = 8


def number(axes: Axes, panel: Panel, source: Source) -> None:
    """Draw one large number with its course beneath."""
    defaults = panel["fieldConfig"]["defaults"]
    curves = source.curves(panel["targets"][0])
    last = curves[0].last if curves else None
    words = _words(defaults)
    axes.set_axis_off()
    if last is None:
        axes.text(0.5, 0.55, "–", color=MUTED, size=20, ha="center", transform=axes.transAxes)
        return
    text, tint = words.get(f"{last:g}") or (
        say(last, defaults["unit"], defaults.get("decimals")),
        stepped(last, defaults["thresholds"]["steps"]),
    )
    _sparkline(axes, curves[0], tint)
    axes.text(
        0.5, 0.62, text, color=tint, size=21, weight="bold", ha="center", va="center",
        transform=axes.transAxes,
    )  # fmt: skip


def graph(axes: Axes, panel: Panel, source: Source) -> None:
    """Draw curves over time, with a legend below."""
    defaults = panel["fieldConfig"]["defaults"]
    curves = [curve for target in panel["targets"] for curve in source.curves(target)]
    is_stacked = defaults["custom"].get("stacking", {}).get("mode") == "normal"
    inner = _inset(axes)
    base: Sequence[float] = [math.nan] * len(curves[0].times) if curves else []
    for curve, tint in zip(curves, _tints(len(curves)), strict=True):
        base = _line(inner, curve, tint, base if is_stacked else None)
    _scale(inner, defaults, curves, source.seconds)
    for step in defaults.get("thresholds", {}).get("steps", [])[1:]:
        if step["value"] < inner.get_ylim()[1]:
            tint = colour(step["color"])
            inner.axhline(step["value"], color=tint, lw=0.9, ls=(0, (5, 4)), alpha=0.8)
    _legend(axes, [curve.name for curve in curves])


def timeline(axes: Axes, panel: Panel, source: Source) -> None:
    """Draw a bar per series, coloured by what its values mean."""
    words = _words(panel["fieldConfig"]["defaults"])
    curves = source.curves(panel["targets"][0])
    inner = _inset(axes, left=0.13)
    for row, curve in enumerate(reversed(curves)):
        for begin, end, value in _spans(curve):
            text, tint = words[f"{value:g}"]
            inner.broken_barh([(begin, end - begin)], (row + 0.1, 0.8), facecolors=tint, alpha=0.8)
            if end - begin > 0.08 * source.seconds:
                inner.text(
                    (begin + end) / 2, row + 0.5, text, ha="center", va="center", size=7.5,
                    color="#0b0c0e", weight="bold",
                )  # fmt: skip
    inner.set_yticks([row + 0.5 for row in range(len(curves))])
    inner.set_yticklabels([curve.name for curve in reversed(curves)], color=INK)
    inner.set_ylim(0, max(len(curves), 1))
    _ago(inner, source.seconds)
    _legend(axes, [text for text, _ in words.values()], [tint for _, tint in words.values()])


def _inset(axes: Axes, left: float = 0.0) -> Axes:
    """Return axes for curves within a panel, with room for labels and a legend."""
    axes.set_axis_off()
    figure, box = axes.get_figure(root=True), axes.get_position()
    assert figure is not None
    width, height = figure.get_size_inches()
    left_in = 0.62 if not left else left * box.width * width
    inner = figure.add_axes(
        (
            box.x0 + left_in / width,
            box.y0 + 0.5 / height,
            box.width - (left_in + 0.15) / width,
            box.height - 0.58 / height,
        )
    )
    inner.set_facecolor("none")
    for side in inner.spines.values():
        side.set_visible(False)
    inner.tick_params(length=0, labelsize=7.5, pad=4)
    return inner


def _line(axes: Axes, curve: Curve, tint: str, base: Sequence[float] | None) -> Sequence[float]:
    """Draw a curve, on top of others where it is stacked; return its upper edge."""
    floor, upper = _stacked(curve.values, base) if base is not None else ([], curve.values)
    axes.plot(curve.times, upper, color=tint, lw=1.5, solid_joinstyle="round")
    if base is not None:
        axes.fill_between(curve.times, floor, upper, color=tint, alpha=0.35, lw=0)
    return upper


def _stacked(
    values: Sequence[float], base: Sequence[float]
) -> tuple[Sequence[float], Sequence[float]]:
    """Return both edges of a stacked curve; where no curve has a value yet, there is no edge."""
    floor = [0.0 if math.isnan(low) else low for low in base]
    upper = [
        low if math.isnan(value) else value + ground
        for value, low, ground in zip(values, base, floor, strict=True)
    ]
    return floor, upper


def _scale(
    axes: Axes, defaults: Mapping[str, Any], curves: Sequence[Curve], seconds: float
) -> None:
    unit = defaults.get("unit", "short")
    low, high = axes.get_ylim()
    low, high = defaults.get("min", low), defaults.get("max", high * 1.05 if high > 0 else 1)
    axes.set_ylim(low, max(low + 1e-9, high))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=defaults.get("decimals") == 0))
    if unit == "bytes":
        axes.yaxis.set_major_locator(MultipleLocator(_binary_step(high / 3)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: say(value, unit)))
    axes.grid(visible=True, color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    _ago(axes, seconds)
    if not curves:
        axes.text(0.5, 0.5, "No data", color=MUTED, ha="center", transform=axes.transAxes)
        axes.set_yticks([])


def _binary_step(about: float) -> float:
    """Return a distance of ticks that is 1, 2, 5, 10, ... of a binary unit."""
    unit = 1024.0 ** int(math.log(max(about, 1), 1024))
    return unit * next(
        n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000) if n * unit >= about
    )


def _ago(axes: Axes, seconds: float) -> None:
    axes.set_xlim(-seconds, 0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 1.5, 2, 3, 6, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: _clock(at)))


def _clock(at: float) -> str:
    if at == 0:
        return "now"
    minutes, rest = divmod(round(-at), 60)
    return f"−{minutes}:{rest:02d}"


def _legend(axes: Axes, names: Sequence[str], tints: Sequence[str] = ()) -> None:
    shown = list(names[:_MOST_NAMES])
    figure, box = axes.get_figure(root=True), axes.get_position()
    assert figure is not None
    width, height = figure.get_size_inches()
    at, bottom = box.x0 + 0.14 / width, box.y0 + 0.13 / height
    for name, tint in zip(shown, tints or _tints(len(shown)), strict=False):
        length = (0.2 + 0.067 * len(name)) / width
        if at + length > box.x1:
            break
        figure.add_artist(
            Rectangle(
                (at, bottom - 0.012 / height), 0.11 / width, 0.035 / height, color=tint,
                transform=figure.transFigure,
            )
        )  # fmt: skip
        figure.text(at + 0.15 / width, bottom, name, color=MUTED, size=7.5, va="center")
        at += length + 0.1 / width


def _sparkline(axes: Axes, curve: Curve, tint: str) -> None:
    known = [value for value in curve.values if not math.isnan(value)]
    low, high = min(known), max(known)
    reach = (high - low) or max(abs(high), 1.0)
    axes.fill_between(curve.times, [low - reach * 0.05] * len(curve.times), curve.values,
                      color=tint, alpha=0.16, lw=0)  # fmt: skip
    axes.plot(curve.times, curve.values, color=tint, lw=1.1, alpha=0.6)
    axes.set_xlim(curve.times[0], curve.times[-1])
    axes.set_ylim(low - reach * 0.05, low + reach * 2.6)


def _spans(curve: Curve) -> list[tuple[float, float, float]]:
    """Return begin, end and value of each stretch in which a curve did not change."""
    found: list[tuple[float, float, float]] = []
    step = curve.times[1] - curve.times[0]
    for at, value in zip(curve.times, curve.values, strict=True):
        if math.isnan(value):
            continue
        if found and found[-1][2] == value and at - found[-1][1] < step / 2:
            found[-1] = (found[-1][0], at + step, value)
        else:
            found.append((at, at + step, value))
    return found


def _words(defaults: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        value: (word["text"], colour(word["color"]))
        for mapping in defaults.get("mappings", [])
        for value, word in mapping["options"].items()
    }


def _tints(count: int) -> list[str]:
    return [PALETTE[index % len(PALETTE)] for index in range(count)]


__all__ = ["PANEL", "graph", "number", "rows", "timeline"]
