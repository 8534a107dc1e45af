"""Small images in rows, with words: predictions, augmentations."""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from fttrain.data.decode import Pixels
from fttrain.pictures import ink, sheet
from fttrain.pictures.ink import BAD, GOOD, INK, TRAIN
from fttrain.pictures.look import Look
from fttrain.pictures.sheet import GAP, HEADING, LEFT, SIDE, TILE, TOP, Section, Tile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Body = Mapping[str, Any]


def packed(pixels: Pixels, side: int = SIDE) -> str:
    """Return an image, (height, width, channels), at most `side` pixels wide and high, as text."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    if max(image.size) > side:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def draw_predictions(bodies: Sequence[Body], look: Look) -> bytes:
    """Draw wrong and right examples. Raises BadLook.

    A body has `title`, `split`, `images`, `wrong` (how many of them), and `tiles` with `label`,
    `predicted`, `probability` and `png` each.
    """
    body = sheet.only(bodies, look, "predictions")
    return sheet.draw(str(body["title"]), list(_sections(body)), caption)


def draw_augmentations(bodies: Sequence[Body], look: Look) -> bytes:
    """Draw images as evaluation and as training sees them. Raises BadLook.

    A body has `title` and `rows` with `label`, `evaluated` and `trained` (images) each.
    """
    body = sheet.only(bodies, look, "augmentations")
    rows = body["rows"]
    columns = 1 + max(len(row["trained"]) for row in rows)
    step = TILE + 0.2 + GAP
    height = TOP + HEADING + len(rows) * step
    drawn = sheet.empty(columns, height, str(body["title"]), apart=0.15)
    lefts = [LEFT + place * (TILE + GAP) + (0.15 if place else 0) for place in range(columns)]
    sheet.write(drawn, lefts[0], TOP + 0.12, "as evaluated", color=TRAIN, fontsize=9)
    for epoch in range(1, columns):
        sheet.write(drawn, lefts[epoch], TOP + 0.12, f"epoch {epoch}", color=INK, fontsize=9)
    for place, row in enumerate(rows):
        top = TOP + HEADING + place * step
        for left, image in zip(lefts, [row["evaluated"], *row["trained"]], strict=False):
            sheet.show(drawn, left, top, image)
        sheet.write(drawn, lefts[0], top + TILE + 0.1, ink.short(row["label"], 30), fontsize=8)
    return ink.png(drawn)


def caption(drawn: "Figure", left: float, top: float, section: Section, tile: Tile) -> None:
    """Write what an image is taken for and, where that is wrong, what it is."""
    said = f"{ink.short(tile['predicted'], 15)} {tile['probability']:.2f}"
    sheet.write(drawn, left, top + 0.11, said, color=section.color, fontsize=8)
    if tile["label"] != tile["predicted"]:
        sheet.write(drawn, left, top + 0.27, f"is {ink.short(tile['label'], 18)}", fontsize=8)


def _sections(body: Body) -> Iterator[Section]:
    wrong, images = body["wrong"], body["images"]
    tiles = [tile for tile in body["tiles"] if tile["label"] != tile["predicted"]]
    if tiles:
        which = ", the most certain first" if len(tiles) < wrong else ""
        heading = f"Wrong: {wrong} of {images}{which}"
        yield Section(heading=heading, color=BAD, tiles=tiles, lines=2)
    tiles = [tile for tile in body["tiles"] if tile["label"] == tile["predicted"]]
    if tiles:
        which = ", some of them" if len(tiles) < images - wrong else ""
        heading = f"Right: {images - wrong} of {images}{which}"
        yield Section(heading=heading, color=GOOD, tiles=tiles, lines=1)
