"""Lays a dashboard's panels out on a sheet."""

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from deploy.grafana.picture import drawing, sheet
from deploy.grafana.picture.answers import Source
from deploy.grafana.picture.sheet import GROUND, INK, MUTED, PANEL

FOLDER = Path(__file__).resolve().parent.parent / "dashboards"
_COLUMNS = 24
_COLUMN_IN, _ROW_IN = 0.55, 0.30
_HEAD = 2.0  # rows of the grid above the panels
_GAP = 0.12  # between panels, in columns
_DPI = 90
_COLOURS = 128

Draw = Callable[[Axes, Mapping[str, Any], Source], None]
_KINDS: Mapping[str, Draw] = {
    "stat": drawing.number,
    "timeseries": drawing.graph,
    "state-timeline": drawing.timeline,
    "table": drawing.rows,
}


def draw(name: str, source: Source, out: Path) -> None:
    """Draw a committed dashboard into a PNG."""
    page = json.loads((FOLDER / f"{name}.json").read_text())
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in page["panels"]) + _HEAD
    with rc_context({"font.size": 8, "xtick.color": MUTED, "ytick.color": MUTED}):
        figure = Figure(figsize=(_COLUMNS * _COLUMN_IN, rows * _ROW_IN), facecolor=GROUND)
        _title(figure, page, rows)
        for panel in page["panels"]:
            place = _place(panel["gridPos"], rows)
            if panel["type"] == "row":
                _heading(figure, source.filled(panel["title"]), place)
            else:
                _KINDS[panel["type"]](_framed(figure, panel, place), panel, source)
        _save(figure, out)


def _save(figure: Figure, out: Path) -> None:
    """Write a PNG of few colours: a quarter of the size."""
    whole = BytesIO()
    figure.savefig(whole, dpi=_DPI, facecolor=GROUND)
    image = Image.open(whole).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    image.save(out, optimize=True)


def _place(grid: Mapping[str, int], rows: float) -> tuple[float, float, float, float]:
    """Return left, bottom, width and height in shares of the sheet."""
    gap_x, gap_y = _GAP / _COLUMNS, _GAP * _COLUMN_IN / _ROW_IN / rows
    return (
        grid["x"] / _COLUMNS + gap_x,
        1 - (grid["y"] + grid["h"] + _HEAD) / rows + gap_y,
        grid["w"] / _COLUMNS - 2 * gap_x,
        grid["h"] / rows - 2 * gap_y,
    )


def _title(figure: Figure, page: Mapping[str, Any], rows: float) -> None:
    top = 1 - _HEAD / 2 / rows
    figure.text(0.01, top, page["title"], color=INK, size=16, weight="bold", va="center")
    figure.text(
        0.99, top, "a rendering by matplotlib, of what a real Prometheus answered",
        color=MUTED, size=9, style="italic", va="center", ha="right",
    )  # fmt: skip


def _heading(figure: Figure, title: str, place: tuple[float, float, float, float]) -> None:
    left, bottom, _, height = place
    figure.text(
        left, bottom + height / 2, f"▾  {title}", color=INK, size=11, weight="bold", va="center"
    )


def _framed(
    figure: Figure, panel: Mapping[str, Any], place: tuple[float, float, float, float]
) -> Axes:
    """Draw a panel's ground and title; return the axes within, without a frame of their own."""
    left, bottom, width, height = place
    figure.add_artist(
        FancyBboxPatch(
            (left, bottom), width, height, boxstyle="square,pad=0", facecolor=PANEL,
            edgecolor=sheet.EDGE, linewidth=0.8, transform=figure.transFigure, zorder=-1,
        )
    )  # fmt: skip
    size_in = figure.get_size_inches()
    title = 0.26 / size_in[1]
    figure.text(
        left + 0.09 / size_in[0], bottom + height - title / 2 - 0.03 / size_in[1],
        panel["title"], color=INK, size=9, va="center",
    )  # fmt: skip
    axes = figure.add_axes((left, bottom, width, height - title))
    axes.set_facecolor("none")
    return axes
