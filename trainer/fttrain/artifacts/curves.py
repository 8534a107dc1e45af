"""Loss and accuracy over the epochs, as a picture and as the numbers in it."""

import dataclasses
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fttrain.events import EpochEnded, Score
from fttrain.spec import rundir

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAIN, VAL = "#8a94a6", "#1b6ac9"
INK, FAINT = "#20242c", "#e3e6eb"
_SIZE_INCHES = (10.0, 4.2)
_DPI = 144


def draw(epochs: Sequence[EpochEnded], path_png: Path, title: str) -> Path:
    """Draw the curves and write their numbers beside them; return the path of the numbers.

    The numbers are JSON under the picture's name: the title, and each epoch (at least one) as
    the journal has it.
    """
    if not epochs:
        raise ValueError("no epoch to draw")
    path_json = path_png.with_suffix(".json")
    body = {"title": title, "epochs": [dataclasses.asdict(epoch) for epoch in epochs]}
    rundir.write_aside(path_json, json.dumps(body, indent=1, ensure_ascii=False).encode())
    rundir.write_aside(path_png, _png(_figure(epochs, title)))
    return path_json


def _png(figure: "Figure") -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    # Without the version of the library inside, the same run gives the same bytes.
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _figure(epochs: Sequence[EpochEnded], title: str) -> "Figure":
    # Imported where it is needed: it takes half a second, which no start has to wait for.
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.18, h_pad=0.14, wspace=0.05)
    figure = Figure(figsize=_SIZE_INCHES, layout=layout, facecolor="white")
    style: dict[str, Any] = {"fontsize": 13, "fontweight": "bold", "color": INK}
    figure.suptitle(title, x=0.02, ha="left", parse_math=False, **style)
    loss, accuracy = figure.subplots(1, 2)
    best = _best(epochs)
    _draw_loss(loss, epochs, best)
    _draw_accuracy(accuracy, epochs, best)
    for axes in (loss, accuracy):
        _dress(axes, epochs)
    return figure


def _best(epochs: Sequence[EpochEnded]) -> EpochEnded | None:
    return next((epoch for epoch in reversed(epochs) if epoch.best), None)


def _draw_loss(axes: "Axes", epochs: Sequence[EpochEnded], best: EpochEnded | None) -> None:
    axes.set_title("Loss", loc="left", fontsize=11, color=INK)
    trained = [(e.epoch, e.train.loss) for e in epochs if e.train is not None]
    _line(axes, trained, TRAIN, "train")
    _line(axes, [(number, val.loss) for number, val in _evaluated(epochs)], VAL, "validation")
    if best is not None and best.val is not None:
        _mark(axes, best.epoch, best.val.loss)
    axes.margins(y=0.08)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="upper right")


def _draw_accuracy(axes: "Axes", epochs: Sequence[EpochEnded], best: EpochEnded | None) -> None:
    axes.set_title("Accuracy", loc="left", fontsize=11, color=INK)
    _band(axes, epochs)
    trained = [(e.epoch, e.train.accuracy) for e in epochs if e.train is not None]
    _line(axes, trained, TRAIN, "train")
    _line(axes, [(number, val.accuracy) for number, val in _evaluated(epochs)], VAL, "validation")
    if best is not None and best.val is not None:
        _mark(axes, best.epoch, best.val.accuracy)
        axes.set_title(_score(best.epoch, best.val), loc="right", fontsize=9, color=VAL)
    axes.set_ylim(top=1.0)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles[::-1], labels[::-1], frameon=False, fontsize=9, labelcolor=INK, loc="lower right"
    )


def _band(axes: "Axes", epochs: Sequence[EpochEnded]) -> None:
    """Draw the 95 % interval of the validation accuracy; a bar where there is one epoch alone."""
    evaluated = _evaluated(epochs)
    numbers: list[float] = [number for number, _ in evaluated]
    lows, highs = ([v.accuracy_low for _, v in evaluated], [v.accuracy_high for _, v in evaluated])
    if len(evaluated) == 1:
        numbers, lows, highs = [numbers[0] - 0.03, numbers[0] + 0.03], lows * 2, highs * 2
    axes.fill_between(numbers, lows, highs, color=VAL, alpha=0.15, lw=0, label="95 % interval")


def _evaluated(epochs: Sequence[EpochEnded]) -> list[tuple[int, Score]]:
    return [(epoch.epoch, epoch.val) for epoch in epochs if epoch.val is not None]


def _score(epoch: int, val: Score) -> str:
    return f"best: {val.accuracy:.3f} ({val.correct} of {val.count}), epoch {epoch}"


def _line(axes: "Axes", points: Sequence[tuple[int, float]], color: str, label: str) -> None:
    if not points:  # Epoch 0 alone trains nothing, and an empty line upsets the layout.
        return
    marker = "o" if len(points) <= 30 else None
    x, y = [p[0] for p in points], [p[1] for p in points]
    axes.plot(x, y, color=color, lw=1.8, marker=marker, ms=3.2, label=label, clip_on=False)


def _mark(axes: "Axes", x: float, y: float) -> None:
    style: dict[str, Any] = {"ms": 9, "mfc": "none", "mec": VAL, "mew": 1.5, "clip_on": False}
    axes.plot([x], [y], "o", zorder=5, **style)


def _dress(axes: "Axes", epochs: Sequence[EpochEnded]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch", color=INK, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(axis="y", color=FAINT, lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9, length=0, pad=5)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(TRAIN)
    if len(epochs) == 1:  # A single point needs room beside it.
        axes.set_xticks([epochs[0].epoch])
        axes.set_xlim(epochs[0].epoch - 1, epochs[0].epoch + 1)
