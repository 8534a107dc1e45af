"""How axes are divided: whole epochs, or logarithms with numbers that people read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fttrain.pictures.look import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

_DECADES = 2.5
"""Over more of them, powers of ten alone are named."""


def divide(axes: "Axes", look: Look, epochs: Sequence[int]) -> None:
    """Set the scales of both axes."""
    from matplotlib.ticker import MaxNLocator

    shown = sorted({number for number in epochs if look.x != "log" or number > 0})
    if look.x == "log":
        axes.set_xscale("log")
        if shown and shown[0] < shown[-1]:
            axes.set_xlim(shown[0], shown[-1])
        _name(axes.xaxis, *axes.get_xlim())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if look.y == "log" and axes.lines:
        axes.set_yscale("log")
        _name(axes.yaxis, *axes.get_ylim())
    if len(shown) == 1:  # A single point needs room beside it.
        axes.set_xticks(shown)
        here = shown[0]
        low, high = (here / 2, here * 2) if look.x == "log" else (here - 1, here + 1)
        axes.set_xlim(low, high)


def _name(axis: "Axis", low: float, high: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    is_wide = high > low * 10**_DECADES
    subs = (1.0,) if is_wide else (1.0, 2.0, 5.0) if high > low * 5 else (1, 1.5, 2, 3, 4, 5, 7)
    axis.set_major_locator(LogLocator(base=10, subs=subs, numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
