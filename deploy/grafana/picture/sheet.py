"""The colours and letters of the pictures: those of Grafana's dark theme."""

from collections.abc import Mapping, Sequence
from typing import Any

GROUND, PANEL, EDGE = "#111217", "#181b1f", "#2a2d33"
INK, MUTED, GRID = "#d8d9da", "#8e9099", "#2c3036"
PALETTE = (
    "#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#37872d",
    "#fade2a", "#447ebc",
)  # fmt: skip
_NAMED = {"green": "#73bf69", "blue": "#5794f2", "orange": "#ff9830", "red": "#f2495c"}


def colour(name: str) -> str:
    """Return a colour that a dashboard names."""
    return _NAMED.get(name, name)


def stepped(value: float, steps: Sequence[Mapping[str, Any]]) -> str:
    """Return the colour that a value has by the thresholds of its panel."""
    held = [step for step in steps if step["value"] is None or value >= step["value"]]
    return colour(held[-1]["color"])
