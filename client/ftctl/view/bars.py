"""Bars: how far a job is, and who holds the memory of a device."""

from rich.text import Text

from ftctl.devices import Device
from ftctl.view.console import PIPE_COLUMNS

LEGEND = (
    ("━", "accent", "used by jobs"),
    ("─", "accent", "reserved"),
    ("×", "warn", "foreign"),
    ("·", "label", "free"),
)
# What takes less of a cell is not drawn.
LEAST_CELL = 0.1


def least(width: int, columns: int) -> int:
    """Return how wide a bar is at least, on a page wider than the narrowest: names yield to it."""
    return columns + max(width - PIPE_COLUMNS, 0) // 3


def progress(share: float, columns: int) -> Text:
    """Draw how much of something is done."""
    halves = int(min(max(share, 0.0), 1.0) * 2 * columns)
    style = "bar.finished" if halves == 2 * columns else "bar.complete"
    bar = Text("━" * (halves // 2) + "╸" * (halves % 2), style)
    return bar.append("─" * (columns - bar.cell_len), "bar.back")


def memory(device: Device, columns: int) -> Text:
    """Draw who holds how much of a device's memory; what is left is free."""
    jobs = max(device.memory_used_bytes - device.memory_foreign_bytes, 0)
    reserved = max(device.memory_reserved_bytes - jobs, 0)
    parts = (jobs, reserved, device.memory_foreign_bytes)
    cells = [_cells(part, device.memory_total_bytes, columns) for part in parts]
    while sum(cells) > columns:
        cells[cells.index(max(cells))] -= 1
    bar = Text()
    for count, (glyph, style, _) in zip([*cells, columns - sum(cells)], LEGEND, strict=True):
        bar.append(glyph * count, style)
    return bar


def legend() -> Text:
    """Say what the parts of a memory bar are."""
    told = Text()
    for glyph, style, name in LEGEND:
        told.append(f"{'  ' if told else ''}").append(glyph, style).append(f" {name}", "label")
    return told


def explained() -> str:
    """Say it in a line of help."""
    return "memory bars: " + ", ".join(f"{glyph} {name}" for glyph, _, name in LEGEND)


def _cells(part: int, total: int, columns: int) -> int:
    """Return how many cells a part has: one at least where it is to be seen at all."""
    exact = part / max(total, 1) * columns
    return max(round(exact), 1) if exact >= LEAST_CELL else 0
