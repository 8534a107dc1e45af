"""Neurons and what speaks for them: the image that excites each most, above its guided gradient."""

from collections.abc import Mapping, Sequence
from typing import Any

from fttrain.pictures import ink, sheet
from fttrain.pictures.ink import TRAIN
from fttrain.pictures.look import Look
from fttrain.pictures.sheet import GAP, LEFT, TILE, TOP

Body = Mapping[str, Any]
"""`title`, `layer`, `norm`, `images`, `rule`, and `neurons` with `channel`, `row`, `column`,
`label`, `png` and `gradient` each."""
_WORDS = 0.5
_LEAST = 4
"""Columns: fewer have no room for words."""


def draw(bodies: Sequence[Body], look: Look) -> bytes:
    """Draw a column for each neuron. Raises BadLook."""
    body = sheet.only(bodies, look, "guided_backprop")
    shown = body["neurons"]
    first = TOP + _WORDS
    second = first + TILE + 0.22
    height = second + TILE + 0.3
    drawn = sheet.empty(max(_LEAST, len(shown)), height, str(body["title"]))
    for line, text in enumerate(_told(body)):
        sheet.write(drawn, LEFT, TOP + 0.06 + 0.18 * line, text, fontsize=8.5, color=TRAIN)
    for place, neuron in enumerate(shown):
        left = LEFT + place * (TILE + GAP)
        sheet.show(drawn, left, first, neuron["png"])
        sheet.write(drawn, left, first + TILE + 0.1, ink.short(neuron["label"], 22), fontsize=8)
        sheet.show(drawn, left, second, neuron["gradient"])
        where = f"map {neuron['channel']} at {neuron['row']}, {neuron['column']}"
        sheet.write(drawn, left, second + TILE + 0.12, where, fontsize=8, color=TRAIN)
    return ink.png(drawn)


def _told(body: Body) -> tuple[str, str]:
    before = f"{body['layer']}, after {body['norm']}" if body["norm"] else f"{body['layer']}"
    count = len(body["neurons"])
    return (
        f"{count} neurons of {before}, before its activation: the image of {body['images']} "
        "that excites each most",
        "beneath it the guided gradient, each scaled by itself; mid-grey is 0",
    )
