"""The ratios of all rows as a picture, on a logarithmic axis: goal and floor beside each."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.speed import floors
from benchmarks.speed.figures import Figure

HELD, MISSED, PLAIN, INK, FAINT = "#2a7f62", "#d98c2b", "#8796a5", "#22303c", "#c5ced6"
_ROOM = 1.5
"""So much wider than bars and goals the axis is; a floor beyond is an arrow at its end."""


def draw(rows: Mapping[str, Figure], probes: floors.Probes, path: Path) -> None:
    """Write the picture."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    mpl.use("Agg")
    # Text stays text, and the same figures make the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "speed", "font.size": 9.5}):
        figure, axes = plt.subplots(figsize=(9.6, 0.44 * len(rows) + 1.5))
        reached = [ratio for row in rows.values() for ratio in _reach(row)]
        ends = math.log10(min(reached) / _ROOM**0.25), math.log10(max(reached) * _ROOM)
        for y, (name, row) in enumerate(reversed(list(rows.items()))):
            _row(axes, y, row, floors.floor(probes, name, row), ends[1])
        _frame(axes, rows, ends)
        figure.tight_layout()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=120)
        plt.close(figure)


def gain(row: Figure, ratio: float) -> float:
    """Return a ratio so that more is better, whichever way the row's goes."""
    return 1 / ratio if row.goal.is_at_most else ratio


def _reach(row: Figure) -> tuple[float, ...]:
    """Return what of a row has to be within the axis."""
    measured = (row.ratio.median, row.ratio.least, row.ratio.most)
    goal = () if row.goal.bound is None else (row.goal.bound,)
    return tuple(gain(row, ratio) for ratio in (1.0, *measured, *goal))


def _row(axes: Any, y: int, row: Figure, floor: floors.Floor | None, end: float) -> None:
    ratio = gain(row, row.ratio.median)
    ends = sorted((gain(row, row.ratio.least), gain(row, row.ratio.most)))
    colour = PLAIN if row.goal.bound is None else HELD if row.holds else MISSED
    axes.barh(y, math.log10(ratio), height=0.52, color=colour, zorder=2)
    axes.plot([math.log10(end) for end in ends], [y, y], color=INK, linewidth=1, zorder=4)
    if floor is not None:
        at = math.log10(gain(row, floor.ratio(row)))
        mark = "D" if at < end else ">"
        axes.plot(min(at, end), y, mark, color="white", mec=INK, ms=5, zorder=5, clip_on=False)
    if row.goal.bound is not None:
        at = math.log10(gain(row, row.goal.bound))
        axes.plot([at, at], [y - 0.38, y + 0.38], color=INK, linewidth=2.2, zorder=5)
    told = f"{row.ratio.median:.2f}" if row.ratio.median < 10 else f"{row.ratio.median:.0f}"
    axes.text(
        1.02, y, told, transform=axes.get_yaxis_transform(), va="center", color=colour,
        fontweight="bold",
    )  # fmt: skip


def _frame(axes: Any, rows: Mapping[str, Figure], ends: tuple[float, float]) -> None:
    names = [row.goal.what for row in rows.values()][::-1]
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(*ends)
    axes.set_ylim(-0.7, len(names) - 0.3)
    marks = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000)
    shown = [mark for mark in marks if ends[0] <= math.log10(mark) <= ends[1]]
    axes.set_xticks([math.log10(mark) for mark in shown], [f"{mark:g}" for mark in shown])
    axes.axvline(0, color=INK, linewidth=1, zorder=3)
    axes.grid(axis="x", color=FAINT, linewidth=0.6, zorder=0)
    axes.tick_params(length=0)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_title(
        "times as fast as the best of the others (memory: as small)", loc="left", color=INK
    )
    axes.set_xlabel(
        "bar: measured, green where the goal holds   |: goal   ◇: floor, ▷ beyond   line: range",
        color=INK,
    )
