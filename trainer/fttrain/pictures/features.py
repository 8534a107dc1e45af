"""Feature maps of layers, a row for each: what they make of one image."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fttrain.pictures import ink, sheet
from fttrain.pictures.ink import INK, TRAIN
from fttrain.pictures.look import Look, choose
from fttrain.pictures.sheet import GAP, HEADING, LEFT, TILE, TOP

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Body = Mapping[str, Any]
"""`title`, `image` with `label`, `predicted` and `png`, and `layers` with `name`, `channels`,
`height`, `width`, and `maps` with `channel`, `low`, `high` and `png` each."""
COLUMNS = 10
_MAP, _STEP = 0.78, 0.86
_NUMBER = 0.16
"""Under a map, its channel."""


def draw(bodies: Sequence[Body], look: Look) -> bytes:
    """Draw the liveliest maps of each layer, or all that are kept of chosen ones. Raises BadLook.

    A metric is the name of a layer.
    """
    body = sheet.only(bodies, look, "features", has_metrics=True)
    layers = {str(layer["name"]): layer for layer in body["layers"]}
    choose(look.metrics, tuple(layers), kind="features")
    chosen = [layers[name] for name in look.metrics] or body["layers"]
    most = None if look.metrics else COLUMNS
    rows = [-(-len(layer["maps"][:most]) // COLUMNS) for layer in chosen]
    heights = [HEADING + count * (_MAP + _NUMBER) + GAP for count in rows]
    left = LEFT + TILE + 2 * GAP
    drawn = ink.figure(left + COLUMNS * _STEP + LEFT, _height(sum(heights)), "")
    drawn.set_layout_engine("none")
    style: dict[str, Any] = {"fontsize": 13, "fontweight": "bold"}
    sheet.write(drawn, LEFT, 0.28, ink.short(str(body["title"]), 90), **style)
    _image(drawn, body["image"])
    top = TOP
    for layer, height in zip(chosen, heights, strict=True):
        _layer(drawn, left, top, layer, most)
        top += height
    return ink.png(drawn)


def _height(maps: float) -> float:
    return TOP + max(maps, HEADING + TILE + 0.8) + 0.05


def _image(drawn: "Figure", image: Mapping[str, Any]) -> None:
    sheet.write(drawn, LEFT, TOP + 0.12, "the image", fontsize=9, color=TRAIN)
    sheet.show(drawn, LEFT, TOP + HEADING, image["png"])
    down = TOP + HEADING + TILE
    sheet.write(drawn, LEFT, down + 0.12, ink.short(image["label"], 22), fontsize=8)
    if image["predicted"] != image["label"]:
        said = f"taken for {ink.short(image['predicted'], 14)}"
        sheet.write(drawn, LEFT, down + 0.29, said, fontsize=8, color=ink.BAD)


def _layer(
    drawn: "Figure", left: float, top: float, layer: Mapping[str, Any], most: int | None
) -> None:
    shown = layer["maps"][:most]
    which = f", the liveliest {len(shown)}" if len(shown) < layer["channels"] else ""
    size = f"{layer['channels']} maps of {layer['height']} × {layer['width']}{which}"
    sheet.write(drawn, left, top + 0.12, f"{layer['name']}: {size}", fontsize=9, color=INK)
    for place, each in enumerate(shown):
        at = left + place % COLUMNS * _STEP
        down = top + HEADING + place // COLUMNS * (_MAP + _NUMBER)
        values = sheet.unpacked(each["png"])
        style: dict[str, Any] = {"interpolation": "nearest", "vmin": 0, "vmax": 255}
        sheet.paint(drawn, at, down, values, side=_MAP, cmap=ink.paper(), **style)
        number = f"{each['channel']}"
        sheet.write(drawn, at, down + _MAP + 0.06, number, fontsize=6, color=TRAIN)
