"""The worst mistakes, sorted: all together, or class by class."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fttrain.pictures import sheet, tiles
from fttrain.pictures.ink import BAD, GOOD, INK, TRAIN
from fttrain.pictures.look import Look, choose
from fttrain.pictures.sheet import COLUMNS, Section, Tile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Body = Mapping[str, Any]
"""`title`, `images`, `wrong` (how many of them), `tiles` with `label`, `predicted`, `probability`,
`loss` and `png` each, and `classes` with `label`, `images`, `wrong`, `taken_for` and `times`."""
ORDERS = ("loss", "confidence", "class")
SHOWN = 4 * COLUMNS
"""Of all mistakes, the worst."""
OF_A_CLASS = COLUMNS


def draw(bodies: Sequence[Body], look: Look) -> bytes:
    """Draw mistakes by `loss`, by `confidence`, or by `class`. Raises BadLook.

    Without a choice it is by loss and, where there are more than fit, by class as well.
    """
    choose(look.metrics, ORDERS, kind="mistakes")
    body = sheet.only(bodies, look, "mistakes", has_metrics=True)
    orders = look.metrics or (("loss", "class") if body["wrong"] > SHOWN else ("loss",))
    sections = [section for order in orders for section in _sections(body, order)]
    return sheet.draw(str(body["title"]), sections, _caption)


def _sections(body: Body, order: str) -> Iterator[Section]:
    wrong, images = body["wrong"], body["images"]
    if not wrong:
        heading = f"No mistake: all of {images} validation images are right"
        yield Section(heading=heading, color=GOOD, tiles=(), lines=0)
    elif order == "class":
        for each in body["classes"]:
            yield _of_a_class(body, each)
    else:
        key, what = {
            "loss": ("loss", "the highest loss first"),
            "confidence": ("probability", "the most certain first"),
        }[order]
        worst = sorted(body["tiles"], key=lambda tile: -float(tile[key]))[:SHOWN]
        heading = f"Wrong: {wrong} of {images} validation images, {what}"
        yield Section(heading=heading, color=BAD, tiles=worst, lines=3)


def _of_a_class(body: Body, each: Mapping[str, Any]) -> Section:
    own = [tile for tile in body["tiles"] if tile["label"] == each["label"]]
    worst = sorted(own, key=lambda tile: -float(tile["loss"]))[:OF_A_CLASS]
    heading = (
        f"{each['label']}: {each['wrong']} of {each['images']} wrong, "
        f"{each['times']} taken for {each['taken_for']}"
    )
    return Section(heading=heading, color=INK, tiles=worst, lines=3)


def _caption(drawn: "Figure", left: float, top: float, section: Section, tile: Tile) -> None:
    red = Section(heading="", color=BAD, tiles=(), lines=0)
    tiles.caption(drawn, left, top, red, tile)
    sheet.write(drawn, left, top + 0.43, f"loss {tile['loss']:.2f}", color=TRAIN, fontsize=8)
