"""What all pictures have in common: colours, size, and how one becomes a file."""

import io
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAIN, VAL = "#8a94a6", "#1b6ac9"
INK, FAINT = "#20242c", "#e3e6eb"
GOOD, BAD = "#1f8a4c", "#c8322b"
RUNS = ("#1b6ac9", "#e07b00", "#1f8a4c", "#9a3fb5", "#c8322b", "#0f9aa8", "#7a5c2e", "#5b6270")
"""One colour for each run that is compared."""
DPI = 144


def figure(width: float, height: float, title: str) -> "Figure":
    """Return an empty picture of a size in inches, its title on the left."""
    # Imported where it is needed: it takes half a second, which no start has to wait for.
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.18, h_pad=0.14, wspace=0.05)
    made = Figure(figsize=(width, height), layout=layout, facecolor="white")
    if title:
        style: dict[str, Any] = {"fontsize": 13, "fontweight": "bold", "color": INK}
        told = short(title, round(width * 9))
        made.suptitle(told, x=0.12 / width, ha="left", parse_math=False, **style)
    return made


def png(drawn: "Figure", *, dpi: int = DPI) -> bytes:
    """Return a picture as a PNG file: the same bytes for the same picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(drawn)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Names of classes may be of any script; what the font lacks becomes a box.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        # Without the version of the library inside, the same run gives the same bytes.
        drawn.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def paper() -> Any:
    """Return the shades of amounts: white is nothing, or the least."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("paper", ["#ffffff", "#b9d3f2", VAL, "#0b2e5c"])


def bare(axes: "Axes") -> None:
    """Take frame, ticks and labels away."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def short(text: str, most: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
