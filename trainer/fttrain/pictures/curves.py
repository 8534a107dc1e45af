"""The course of one run or several over the epochs."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from fttrain.events import EpochEnded
from fttrain.pictures import ink, scales
from fttrain.pictures.ink import FAINT, INK, RUNS, TRAIN, VAL
from fttrain.pictures.look import BadLook, Look, choose

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Epoch = Mapping[str, Any]
"""The fields of fttrain.events.EpochEnded."""
Body = Mapping[str, Any]
"""`title`, and `epochs`: at least one."""
MOST_RUNS = len(RUNS)
_LONGEST_TITLE = 60

_CORNERS = {True: "lower right", False: "upper right"}
"""Where a curve that grows, or falls, is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a panel shows."""

    title: str
    of: Callable[[Mapping[str, Any]], float | None]
    """From the fields of a score."""
    is_share: bool = True
    """From 0 to 1."""
    grows: bool = True
    """More is better."""


METRICS: dict[str, Metric] = {
    "loss": Metric(title="Loss", of=lambda score: score["loss"], is_share=False, grows=False),
    "accuracy": Metric(title="Accuracy", of=lambda score: score["accuracy"]),
    "error": Metric(title="Error", of=lambda score: 1 - score["accuracy"], grows=False),
    "balanced_accuracy": Metric(
        title="Balanced accuracy", of=lambda score: score.get("balanced_accuracy")
    ),
    "top5_accuracy": Metric(title="Top-5 accuracy", of=lambda score: score.get("top5_accuracy")),
    "calibration_error": Metric(
        title="Calibration error", of=lambda score: score.get("calibration_error"), grows=False
    ),
}
RATE = "lr"
KNOWN = (*METRICS, RATE)


def body(epochs: Sequence[EpochEnded], title: str) -> dict[str, Any]:
    """Return the numbers of a picture: the title, and each epoch as the journal has it."""
    return {"title": title, "epochs": [dataclasses.asdict(epoch) for epoch in epochs]}


def draw(bodies: Sequence[Body], look: Look) -> bytes:
    """Draw runs into the same axes, a panel for each metric.

    Raises:
        BadLook: for what cannot be drawn.
    """
    choose(look.metrics, KNOWN, kind="curves")
    if len(bodies) > MOST_RUNS:
        raise BadLook(f"curves compares at most {MOST_RUNS} runs, not {len(bodies)}")
    chosen = look.metrics or ("loss", "error" if look.y == "log" else "accuracy")
    columns = min(len(chosen), 2)
    rows = -(-len(chosen) // columns)
    title = ", ".join(str(run["title"]) for run in bodies)
    if len(title) > _LONGEST_TITLE and len(bodies) > 1:
        title = f"{len(bodies)} runs"
    drawn = ink.figure(5.0 * columns + (1.2 if columns == 1 else 0.0), 0.6 + 3.6 * rows, title)
    panels = drawn.subplots(rows, columns, squeeze=False)
    for place, axes in enumerate(panels.flat):
        if place < len(chosen):
            _panel(axes, chosen[place], bodies, look)
        else:
            axes.set_visible(False)
    if len(bodies) > 1:
        _name_runs(drawn, bodies)
    return ink.png(drawn)


def edges(epochs: Sequence[Epoch]) -> list[tuple[int, int]]:
    """Return the first epoch of each stage after the first, of each repeat, and its number."""
    return [
        (now["epoch"], now["stage"])
        for before, now in pairwise(epochs)
        # Runs of an older version say none.
        if 0 < before.get("stage", 0) < now.get("stage", 0)
    ]


def _panel(axes: "Axes", name: str, bodies: Sequence[Body], look: Look) -> None:
    if name == RATE:
        _rates(axes, bodies, look)
    elif len(bodies) == 1:
        _run(axes, METRICS[name], bodies[0]["epochs"], look)
    else:
        for run, color in zip(bodies, RUNS, strict=False):
            _compared(axes, METRICS[name], run["epochs"], color, look)
        axes.set_title(METRICS[name].title, loc="left", fontsize=11, color=INK)
    if len(bodies) == 1:
        _divide(axes, bodies[0]["epochs"], look)
    _dress(axes, [epoch["epoch"] for run in bodies for epoch in run["epochs"]], look)
    if name != RATE and look.y != "log":
        _limit(axes, METRICS[name])


# --- one run ----------------------------------------------------------------------------------


def _run(axes: "Axes", metric: Metric, epochs: Sequence[Epoch], look: Look) -> None:
    axes.set_title(metric.title, loc="left", fontsize=11, color=INK)
    if metric.title == "Accuracy":
        _band(axes, epochs, look)
    _line(axes, _points(epochs, "train", metric, look), TRAIN, "train")
    _line(axes, _points(epochs, "val", metric, look), VAL, "validation")
    best = next((epoch for epoch in reversed(epochs) if epoch["best"]), None)
    if best is not None:
        _mark(axes, _points([best], "val", metric, look))
        if metric.title == "Accuracy":
            axes.set_title(_score(best), loc="right", fontsize=9, color=VAL)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        where = "best" if "log" in (look.x, look.y) else _CORNERS[metric.grows]
        style: dict[str, Any] = {"frameon": False, "fontsize": 9, "labelcolor": INK, "loc": where}
        axes.legend(handles[::-1], labels[::-1], **style)


def _band(axes: "Axes", epochs: Sequence[Epoch], look: Look) -> None:
    """Draw the 95 % interval of the validation accuracy; a bar where there is one epoch alone."""
    shown = [
        epoch
        for epoch in epochs
        if epoch["val"] is not None and (look.x != "log" or epoch["epoch"] > 0)
    ]
    numbers: list[float] = [epoch["epoch"] for epoch in shown]
    lows = [epoch["val"]["accuracy_low"] for epoch in shown]
    highs = [epoch["val"]["accuracy_high"] for epoch in shown]
    if len(shown) == 1:
        numbers, lows, highs = [numbers[0] - 0.03, numbers[0] + 0.03], lows * 2, highs * 2
    axes.fill_between(numbers, lows, highs, color=VAL, alpha=0.15, lw=0, label="95 % interval")


def _score(best: Epoch) -> str:
    val = best["val"]
    return (
        f"best: {val['accuracy']:.3f} ({val['correct']} of {val['count']}), epoch {best['epoch']}"
    )


def _mark(axes: "Axes", points: Sequence[tuple[int, float]]) -> None:
    style: dict[str, Any] = {"ms": 9, "mfc": "none", "mec": VAL, "mew": 1.5, "clip_on": False}
    for x, y in points:
        axes.plot([x], [y], "o", zorder=5, **style)


def _divide(axes: "Axes", epochs: Sequence[Epoch], look: Look) -> None:
    """Draw a line where a stage of the training ends and the next one begins."""
    edge: dict[str, Any] = {"color": TRAIN, "lw": 0.9, "ls": (0, (1, 2)), "zorder": 0.5}
    told: dict[str, Any] = {"color": TRAIN, "fontsize": 8, "va": "top", "rotation": 90}
    for epoch, number in edges(epochs):
        between = epoch - 0.5
        if look.x != "log" or between > 0:
            axes.axvline(between, **edge)
            place = axes.get_xaxis_transform()
            axes.text(between, 0.98, f" stage {number}", transform=place, ha="right", **told)


# --- several runs -----------------------------------------------------------------------------


def _compared(
    axes: "Axes", metric: Metric, epochs: Sequence[Epoch], color: str, look: Look
) -> None:
    trained = _points(epochs, "train", metric, look)
    if trained:
        x, y = zip(*trained, strict=True)
        axes.plot(x, y, color=color, lw=1.0, ls=(0, (4, 2)), alpha=0.6)
    _line(axes, _points(epochs, "val", metric, look), color, "")


def _name_runs(drawn: Any, bodies: Sequence[Body]) -> None:
    from matplotlib.lines import Line2D

    named = [
        Line2D([], [], color=color, lw=2.2, label=ink.short(str(run["title"]), 36))
        for run, color in zip(bodies, RUNS, strict=False)
    ]
    for handle in named:
        handle.set_label(str(handle.get_label()).replace("$", r"\$").lstrip("_"))
    trained = Line2D([], [], color=TRAIN, lw=1.0, ls=(0, (4, 2)), label="dashed: training")
    columns = min(4, len(named) + 1)
    style: dict[str, Any] = {"frameon": False, "fontsize": 9, "labelcolor": INK}
    drawn.legend(handles=[*named, trained], loc="outside lower left", ncols=columns, **style)


# --- rates ------------------------------------------------------------------------------------


def _rates(axes: "Axes", bodies: Sequence[Body], look: Look) -> None:
    """Draw the learning rate at the end of each epoch, a line for each group of parameters."""
    axes.set_title("Learning rate", loc="left", fontsize=11, color=INK)
    for run, color in zip(bodies, RUNS, strict=False):
        epochs = [epoch for epoch in run["epochs"] if epoch["lrs"]]
        for group in range(max((len(epoch["lrs"]) for epoch in epochs), default=0)):
            # Stages have tables of their own: a group is not in each of them.
            points = [
                (epoch["epoch"], epoch["lrs"][group])
                for epoch in epochs
                if group < len(epoch["lrs"])
            ]
            own = color if len(bodies) > 1 else RUNS[group % len(RUNS)]
            _line(axes, _shown(points, look), own, f"group {group + 1}")
    handles, labels = axes.get_legend_handles_labels()
    if len(bodies) == 1 and 1 < len(handles) <= MOST_RUNS:
        axes.legend(handles, labels, frameon=False, fontsize=9, labelcolor=INK)


# --- parts ------------------------------------------------------------------------------------


def _points(
    epochs: Sequence[Epoch], split: str, metric: Metric, look: Look
) -> list[tuple[int, float]]:
    found = [
        (epoch["epoch"], metric.of(epoch[split])) for epoch in epochs if epoch[split] is not None
    ]
    return _shown([(x, y) for x, y in found if y is not None], look)


def _shown(points: Sequence[tuple[int, float]], look: Look) -> list[tuple[int, float]]:
    """Return what an axis can show: a logarithm has nothing at 0."""
    return [(x, y) for x, y in points if (look.x != "log" or x > 0) and (look.y != "log" or y > 0)]


def _line(axes: "Axes", points: Sequence[tuple[int, float]], color: str, label: str) -> None:
    if not points:  # Epoch 0 alone trains nothing, and an empty line upsets the layout.
        return
    marker = "o" if len(points) <= 30 else None
    x, y = [p[0] for p in points], [p[1] for p in points]
    axes.plot(x, y, color=color, lw=1.8, marker=marker, ms=3.2, label=label, clip_on=False)


def _limit(axes: "Axes", metric: Metric) -> None:
    if not metric.grows:
        axes.margins(y=0.08)
        axes.set_ylim(bottom=0)
    elif metric.is_share:
        axes.set_ylim(top=1.0)


def _dress(axes: "Axes", numbers: Sequence[int], look: Look) -> None:
    axes.set_xlabel("epoch", color=INK, fontsize=9)
    axes.grid(axis="both" if look.x == "log" else "y", color=FAINT, lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9, length=0, pad=5)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(TRAIN)
    scales.divide(axes, look, numbers)
    if not axes.lines:
        style: dict[str, Any] = {"ha": "center", "color": TRAIN, "fontsize": 10}
        axes.text(0.5, 0.5, "nothing to show here", transform=axes.transAxes, **style)
