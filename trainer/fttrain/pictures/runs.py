"""The courses of several runs: training beside validation, a row of panels for each metric.

All panels of a row share their axes. A dash-dot line shows the best that a run reached on the
validation images, its value stands at the right edge; a tick on the axis, where another stage of
a run began.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fttrain.pictures import edge, ink, scales
from fttrain.pictures.ink import FAINT, INK, RUNS, TRAIN
from fttrain.pictures.look import BadLook, Look, choose

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Body = Mapping[str, Any]
"""`title`, `epochs` (`epoch`, `repeat`, and `train` and `val`: `loss` and `accuracy`, or none), and
`stage_ends`."""
Point = tuple[float, float]
MOST_RUNS = len(RUNS)
SPLITS = {"train": "training", "val": "validation"}
_MARKED = 30
"""Epochs of the longest course; of longer ones the points are not marked one by one."""
_NAMES = 4
"""In a line of the legend."""
_PALE = 0.45
"""The lines of a run with repeats, of which there are several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a row of panels shows."""

    title: str
    field: str
    grows: bool
    """More is better."""
    is_complement: bool = False

    def of(self, score: Mapping[str, float]) -> float:
        """Return it from a score."""
        return 1 - score[self.field] if self.is_complement else score[self.field]

    def told(self, value: float) -> str:
        """Return a value as people read it."""
        return f"{value:.3g}" if self.field == "loss" else f"{100 * value:.1f} %"


METRICS = {
    "accuracy": Metric(title="Accuracy", field="accuracy", grows=True),
    "error": Metric(title="Error", field="accuracy", grows=False, is_complement=True),
    "loss": Metric(title="Loss", field="loss", grows=False),
}


def draw(bodies: Sequence[Body], look: Look) -> bytes:
    """Draw runs, at most 8, as a PNG file.

    Raises:
        BadLook: for what cannot be drawn.
    """
    choose(look.metrics, METRICS, kind="runs")
    if len(bodies) > MOST_RUNS:
        raise BadLook(f"runs compares at most {MOST_RUNS} runs, not {len(bodies)}")
    chosen = [METRICS[name] for name in look.metrics or ("accuracy", "loss")]
    lines = -(-(len(bodies) + 1) // _NAMES)
    drawn = ink.figure(11.0, 0.7 + 3.5 * len(chosen) + 0.2 * lines, "")
    panels = drawn.subplots(len(chosen), len(SPLITS), squeeze=False, sharex=True, sharey="row")
    for row, metric in zip(panels, chosen, strict=True):
        for axes, split in zip(row, SPLITS, strict=True):
            _panel(axes, metric, split, bodies, look)
        _divide(row, metric, bodies, look)
    for axes in panels[-1]:
        axes.set_xlabel("epoch", color=INK, fontsize=9)
    _name(drawn, bodies)
    # The lines' values are told apart once the panels have their places.
    drawn.draw_without_rendering()
    for row, metric in zip(panels, chosen, strict=True):
        bests = _bests(metric, bodies, look)
        edge.write(row[-1], [(value, metric.told(value), color) for _, value, color in bests])
    return ink.png(drawn)


def _panel(axes: "Axes", metric: Metric, split: str, bodies: Sequence[Body], look: Look) -> None:
    axes.set_title(f"{metric.title}, {SPLITS[split]}", loc="left", fontsize=11, color=INK)
    marker = "o" if max(len(run["epochs"]) for run in bodies) <= _MARKED else None
    for run, color in zip(bodies, RUNS, strict=False):
        courses = [points for points in _courses(run, metric, split, look) if points]
        for points in courses:
            x, y = zip(*points, strict=True)
            alpha = _PALE if len(courses) > 1 else 1.0
            axes.plot(x, y, color=color, lw=1.6, marker=marker, ms=2.6, alpha=alpha, zorder=3)
    if split == "val":
        for epoch, value, color in _bests(metric, bodies, look):
            axes.axhline(value, color=color, lw=0.9, ls="-.", alpha=0.75, zorder=1)
            ring: dict[str, Any] = {"ms": 6, "mfc": "white", "mec": color, "mew": 1.4}
            axes.plot([epoch], [value], "o", zorder=6, clip_on=False, **ring)
    axes.grid(axis="both" if look.x == "log" else "y", color=FAINT, lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9, length=0, pad=5)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(TRAIN)


def _divide(row: Sequence["Axes"], metric: Metric, bodies: Sequence[Body], look: Look) -> None:
    """Set the scales of a row, and mark where stages began."""
    numbers = [round(x) for run in bodies for x, _ in _all_points(run, metric, look)]
    for axes in row:
        scales.divide(axes, look, numbers)
        if not axes.lines:
            style: dict[str, Any] = {"ha": "center", "color": TRAIN, "fontsize": 10}
            axes.text(0.5, 0.5, "nothing to show here", transform=axes.transAxes, **style)
    if look.y != "log":
        if metric.grows:
            row[0].set_ylim(top=1.0)
        else:
            row[0].set_ylim(bottom=0)
    for axes in row:
        _mark_stages(axes, bodies)


def _mark_stages(axes: "Axes", bodies: Sequence[Body]) -> None:
    """Put a tick of the run's colour where a stage began, those of several runs stacked."""
    staged = [(run, color) for run, color in zip(bodies, RUNS, strict=False) if run["stage_ends"]]
    transform = axes.get_xaxis_transform()
    for place, (run, color) in enumerate(staged):
        for end in run["stage_ends"]:
            low = 0.05 * place
            style: dict[str, Any] = {"color": color, "lw": 2.2, "solid_capstyle": "butt"}
            axes.plot([end + 0.5] * 2, [low, low + 0.045], transform=transform, zorder=5, **style)
            faint: dict[str, Any] = {"color": color, "lw": 0.7, "ls": ":", "alpha": 0.5}
            axes.axvline(end + 0.5, zorder=1, **faint)


# --- numbers ----------------------------------------------------------------------------------


def _bests(
    metric: Metric, bodies: Sequence[Body], look: Look
) -> Iterator[tuple[float, float, str]]:
    """Yield where and what each run's best on the validation images is, and its colour."""
    for run, color in zip(bodies, RUNS, strict=False):
        points = [p for points in _courses(run, metric, "val", look) for p in points]
        if points:
            sign = -1 if metric.grows else 1
            epoch, value = min(points, key=lambda point: (sign * point[1], point[0]))
            yield epoch, value, color


def _all_points(run: Body, metric: Metric, look: Look) -> Iterator[Point]:
    for split in SPLITS:
        for points in _courses(run, metric, split, look):
            yield from points


def _courses(run: Body, metric: Metric, split: str, look: Look) -> Iterator[list[Point]]:
    """Yield the points of each repeat that an axis can show, each from its own first epoch on."""
    for repeat in dict.fromkeys(epoch["repeat"] for epoch in run["epochs"]):
        mine = [epoch for epoch in run["epochs"] if epoch["repeat"] == repeat]
        # Epochs are counted on over repeats.
        offset = mine[0]["epoch"] - 1 if repeat > 1 else 0
        found = [
            (epoch["epoch"] - offset, metric.of(epoch[split]))
            for epoch in mine
            if epoch[split] is not None
        ]
        yield [
            (x, y)
            for x, y in found
            if math.isfinite(y) and (look.x != "log" or x > 0) and (look.y != "log" or y > 0)
        ]


def _name(drawn: Any, bodies: Sequence[Body]) -> None:
    from matplotlib.lines import Line2D

    named = []
    for run, color in zip(bodies, RUNS, strict=False):
        title = ink.short(str(run["title"]), 34).replace("$", r"\$").lstrip("_")
        named.append(Line2D([], [], color=color, lw=2.4, label=title))
    best = Line2D([], [], color=TRAIN, lw=0.9, ls="-.", label="best on validation images")
    style: dict[str, Any] = {"frameon": False, "fontsize": 9, "labelcolor": INK}
    handles = [*named, best]
    # Columns are filled one after the other; names are read along lines.
    across = [handle for column in range(_NAMES) for handle in handles[column::_NAMES]]
    drawn.legend(handles=across, loc="outside upper left", ncols=_NAMES, **style)
