"""Values at the right edge of a panel, none over another."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = 8.5
_GAP = 1.25
"""From one value to the next, in heights of a letter."""
Value = tuple[float, str, str]
"""Where it stands, what it says, its colour."""


def write(axes: "Axes", values: Sequence[Value]) -> None:
    """Write values beside the panel, each at its height or as near to it as there is room."""
    figure = axes.figure
    box = axes.get_window_extent()
    letter = _SIZE * figure.dpi / 72
    wanted = [float(axes.transData.transform((0, value))[1]) for value, _, _ in values]
    placed = spread(wanted, gap=_GAP * letter, low=box.y0, high=box.y1)
    for (_, told, color), height in zip(values, placed, strict=True):
        share = (height - box.y0) / box.height
        axes.text(
            1.02, share, told, transform=axes.transAxes, color=color, fontsize=_SIZE,
            va="center", ha="left",
        )  # fmt: skip


def spread(wanted: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Return heights as near to the wanted ones as may be, no two nearer than a gap."""
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    groups: list[list[int]] = []
    for place in order:
        groups.append([place])
        while len(groups) > 1 and _top(groups[-2], wanted, gap, low, high) + gap > _bottom(
            groups[-1], wanted, gap, low, high
        ):
            last = groups.pop()
            groups[-1] += last
    found = [0.0] * len(wanted)
    for group in groups:
        start = _bottom(group, wanted, gap, low, high)
        for number, place in enumerate(group):
            found[place] = start + number * gap
    return found


def _bottom(
    group: Sequence[int], wanted: Sequence[float], gap: float, low: float, high: float
) -> float:
    """Return where a group that stands close together begins: around the mean of its wishes."""
    length = (len(group) - 1) * gap
    middle = sum(wanted[place] for place in group) / len(group)
    return max(low, min(middle - length / 2, high - length))


def _top(
    group: Sequence[int], wanted: Sequence[float], gap: float, low: float, high: float
) -> float:
    return _bottom(group, wanted, gap, low, high) + (len(group) - 1) * gap
