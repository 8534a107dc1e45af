"""A sheet of small images in rows under headings, with words beneath each. Lengths are inches."""

import base64
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fttrain.pictures import ink
from fttrain.pictures.ink import INK
from fttrain.pictures.look import BadLook, Look, without_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 112
"""Of a stored image, in pixels, at most."""
COLUMNS = 6
TILE, GAP, LEFT, TOP = 1.3, 0.12, 0.16, 0.55
LINE = 0.18
"""Of words under a tile."""
HEADING = 0.34
_DENSITY = ((30, ink.DPI), (60, 100), (math.inf, 80))
"""Pixels per inch where there are at most so many tiles."""
Tile = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Tiles under a heading."""

    heading: str
    color: str
    tiles: Sequence[Tile]
    lines: int
    """Of words under each tile."""

    @property
    def step(self) -> float:
        """From row to row."""
        return TILE + self.lines * LINE + GAP

    @property
    def height(self) -> float:
        """Of all of it."""
        return HEADING + -(-len(self.tiles) // COLUMNS) * self.step


Caption = Callable[["Figure", float, float, Section, Tile], None]
"""Writes the words under a tile, which begin so far from the left and from the top."""


def only(
    bodies: Sequence[Mapping[str, Any]], look: Look, kind: str, *, has_metrics: bool = False
) -> Mapping[str, Any]:
    """Return the numbers of the one job that a sheet is drawn of. Raises BadLook."""
    without_axes(look, kind=kind)
    if look.metrics and not has_metrics:
        raise BadLook(f"{kind} has no metrics to choose; curves and confusion have")
    if len(bodies) != 1:
        raise BadLook(f"{kind} is drawn of one job, not of {len(bodies)}; curves compares")
    return bodies[0]


def draw(title: str, sections: Sequence[Section], caption: Caption) -> bytes:
    """Draw sections, one beneath the other."""
    drawn = empty(COLUMNS, TOP + sum(each.height for each in sections), title)
    top = TOP
    for section in sections:
        write(drawn, LEFT, top + 0.12, section.heading, color=section.color, fontsize=10)
        for place, tile in enumerate(section.tiles):
            left = LEFT + place % COLUMNS * (TILE + GAP)
            down = top + HEADING + place // COLUMNS * section.step
            show(drawn, left, down, tile["png"])
            caption(drawn, left, down + TILE, section, tile)
        top += section.height
    # Noise does not compress; whatever the images show, less than 4 MiB come out.
    count = sum(len(each.tiles) for each in sections)
    return ink.png(drawn, dpi=next(dpi for most, dpi in _DENSITY if count <= most))


def empty(columns: int, height: float, title: str, *, apart: float = 0.0) -> "Figure":
    """Return a sheet for so many tiles beside each other, and some space between them."""
    width = 2 * LEFT + columns * (TILE + GAP) - GAP + apart
    drawn = ink.figure(width, height, "")
    drawn.set_layout_engine("none")
    style: dict[str, Any] = {"fontsize": 13, "fontweight": "bold", "color": INK}
    write(drawn, LEFT, 0.28, ink.short(title, round(width * 9)), **style)
    return drawn


def show(drawn: "Figure", left: float, top: float, image: str, *, side: float = TILE) -> None:
    """Show a packed image in a square whose corner is so far from the left and the top."""
    pixels = unpacked(image)
    # Small images are shown pixel by pixel, as the net has them.
    smooth = "nearest" if max(pixels.shape[:2]) < SIDE // 2 else "antialiased"
    paint(drawn, left, top, pixels, side=side, interpolation=smooth, vmin=0, vmax=255)


def unpacked(image: str) -> NDArray[np.uint8]:
    """Return the pixels of a packed image."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(image))))


def paint(
    drawn: "Figure", left: float, top: float, values: Any, *, side: float = TILE, **style: Any
) -> None:
    """Show values, (height, width) or with three colours each, in such a square."""
    width, height = drawn.get_size_inches()
    place = (left / width, 1 - (top + side) / height, side / width, side / height)
    axes = drawn.add_axes(place)
    ink.bare(axes)
    axes.imshow(values, **{"cmap": "gray", **style})
    axes.set_anchor("NW")


def write(drawn: "Figure", left: float, middle: float, text: str, **style: Any) -> None:
    """Write a line of text."""
    width, height = drawn.get_size_inches()
    style = {"ha": "left", "va": "center", "parse_math": False, "color": INK, **style}
    drawn.text(left / width, 1 - middle / height, text, **style)
