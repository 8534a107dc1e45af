"""Small images in rows, with words: predictions, augmentations."""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from fttrain.data.decode import Pixels
from fttrain.pictures import ink
from fttrain.pictures.ink import BAD, GOOD, INK, TRAIN
from fttrain.pictures.look import BadLook, Look, without_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Body = Mapping[str, Any]
SIDE = 112
"""Of a stored image, in pixels, at most."""
COLUMNS = 6
_TILE, _GAP, _LEFT, _TOP = 1.3, 0.12, 0.16, 0.55
"""Inches."""
_LINE = 0.18
"""Of words under a tile, inches."""
_HEADING = 0.34


def packed(pixels: Pixels) -> str:
    """Return an image, (height, width, channels), at most SIDE pixels wide and high, as text."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    if max(image.size) > SIDE:
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def draw_predictions(bodies: Sequence[Body], look: Look) -> bytes:
    """Draw wrong and right examples. Raises BadLook.

    A body has `title`, `split`, `images`, `wrong` (how many of them), and `tiles` with `label`,
    `predicted`, `probability` and `png` each.
    """
    body = _only(bodies, look, "predictions")
    sections = list(_sections(body))
    drawn = _sheet(COLUMNS, _TOP + sum(each.height for each in sections), str(body["title"]))
    top = _TOP
    for section in sections:
        _write(drawn, _LEFT, top + 0.12, section.heading, color=section.color, fontsize=10)
        for place, tile in enumerate(section.tiles):
            left = _LEFT + place % COLUMNS * (_TILE + _GAP)
            down = top + _HEADING + place // COLUMNS * section.step
            _show(drawn, left, down, tile["png"])
            _caption(drawn, left, down + _TILE, tile, color=section.color)
        top += section.height
    return ink.png(drawn)


def draw_augmentations(bodies: Sequence[Body], look: Look) -> bytes:
    """Draw images as evaluation and as training sees them. Raises BadLook.

    A body has `title` and `rows` with `label`, `evaluated` and `trained` (images) each.
    """
    body = _only(bodies, look, "augmentations")
    rows = body["rows"]
    columns = 1 + max(len(row["trained"]) for row in rows)
    step = _TILE + 0.2 + _GAP
    drawn = _sheet(columns, _TOP + _HEADING + len(rows) * step, str(body["title"]), apart=0.15)
    lefts = [_LEFT + place * (_TILE + _GAP) + (0.15 if place else 0) for place in range(columns)]
    _write(drawn, lefts[0], _TOP + 0.12, "as evaluated", color=TRAIN, fontsize=9)
    for epoch in range(1, columns):
        _write(drawn, lefts[epoch], _TOP + 0.12, f"epoch {epoch}", color=INK, fontsize=9)
    for place, row in enumerate(rows):
        top = _TOP + _HEADING + place * step
        for left, image in zip(lefts, [row["evaluated"], *row["trained"]], strict=False):
            _show(drawn, left, top, image)
        _write(drawn, lefts[0], top + _TILE + 0.1, ink.short(row["label"], 30), fontsize=8)
    return ink.png(drawn)


# --- parts ------------------------------------------------------------------------------------


def _only(bodies: Sequence[Body], look: Look, kind: str) -> Body:
    without_axes(look, kind=kind)
    if look.metrics:
        raise BadLook(f"{kind} has no metrics to choose; curves and confusion have")
    if len(bodies) != 1:
        raise BadLook(f"{kind} is drawn of one job, not of {len(bodies)}; curves compares")
    return bodies[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """Tiles under a heading."""

    heading: str
    color: str
    tiles: Sequence[Mapping[str, Any]]
    lines: int
    """Of words under each tile."""

    @property
    def step(self) -> float:
        """Inches from row to row."""
        return _TILE + self.lines * _LINE + _GAP

    @property
    def height(self) -> float:
        """Inches."""
        return _HEADING + -(-len(self.tiles) // COLUMNS) * self.step


def _sections(body: Body) -> Iterator[_Section]:
    wrong, images = body["wrong"], body["images"]
    tiles = [tile for tile in body["tiles"] if tile["label"] != tile["predicted"]]
    if tiles:
        which = ", the most certain first" if len(tiles) < wrong else ""
        heading = f"Wrong: {wrong} of {images}{which}"
        yield _Section(heading=heading, color=BAD, tiles=tiles, lines=2)
    tiles = [tile for tile in body["tiles"] if tile["label"] == tile["predicted"]]
    if tiles:
        which = ", some of them" if len(tiles) < images - wrong else ""
        heading = f"Right: {images - wrong} of {images}{which}"
        yield _Section(heading=heading, color=GOOD, tiles=tiles, lines=1)


def _sheet(columns: int, height: float, title: str, *, apart: float = 0.0) -> "Figure":
    width = 2 * _LEFT + columns * (_TILE + _GAP) - _GAP + apart
    drawn = ink.figure(width, height, "")
    drawn.set_layout_engine("none")
    style: dict[str, Any] = {"fontsize": 13, "fontweight": "bold", "color": INK}
    _write(drawn, _LEFT, 0.28, ink.short(title, round(width * 9)), **style)
    return drawn


def _show(drawn: "Figure", left: float, top: float, image: str) -> None:
    """Show an image in a square whose corner is so many inches from the left and the top."""
    width, height = drawn.get_size_inches()
    place = (left / width, 1 - (top + _TILE) / height, _TILE / width, _TILE / height)
    axes = drawn.add_axes(place)
    ink.bare(axes)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(image))))
    # Small images are shown pixel by pixel, as the net has them.
    smooth = "nearest" if max(pixels.shape[:2]) < SIDE // 2 else "antialiased"
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation=smooth)
    axes.set_anchor("NW")


def _caption(
    drawn: "Figure", left: float, top: float, tile: Mapping[str, Any], *, color: str
) -> None:
    said = f"{ink.short(tile['predicted'], 15)} {tile['probability']:.2f}"
    _write(drawn, left, top + 0.11, said, color=color, fontsize=8)
    if tile["label"] != tile["predicted"]:
        _write(drawn, left, top + 0.27, f"is {ink.short(tile['label'], 18)}", fontsize=8)


def _write(drawn: "Figure", left: float, middle: float, text: str, **style: Any) -> None:
    width, height = drawn.get_size_inches()
    style = {"ha": "left", "va": "center", "parse_math": False, "color": INK, **style}
    drawn.text(left / width, 1 - middle / height, text, **style)
