"""Diagrams of nets, drawn as SVG by pure Python.

From top to bottom as an image goes through. At the left a silhouette of what each module gives out:
as wide as its sides in pixels, as dark as it has channels. At the right what it holds and costs.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

Card = Mapping[str, Any]

WIDTH = 1000
ROW, GAP = 30, 6
TOP, SIDE = 112, 28
SILHOUETTE = 150
NAMES = SIDE + SILHOUETTE + 24
INDENT = 22
OUTPUT, PARAMETERS, MACS = 600, 726, 866
BAR = 104
CHARACTER = 7.1
"""Of the writing in pixels, about."""

# Okabe and Ito's, which the colour-blind can tell apart.
PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8a8d00",
)  # fmt: skip
FROZEN, EMPTY = "#8d99a6", "#dfe4ea"
INK, FAINT, LINE = "#1f2933", "#6b7785", "#e4e8ed"
_STYLE = (
    "text{font:13px ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif;"
    f"fill:{INK}}}"
    f".f{{fill:{FAINT}}}.n{{font-weight:600}}.r{{text-anchor:end}}.s{{font-size:11px}}"
    ".t{font-size:22px;font-weight:650}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A module that is shown, and how deep it lies."""

    node: Card
    level: int
    is_open: bool
    """Whether what is in it is shown, too."""


def svg(blueprint: Card, depth: int) -> str:
    """Return the diagram of a blueprint, its modules shown down to a depth."""
    rows = list(_rows(blueprint["root"]["children"], depth, 0)) or [
        _Row(node=blueprint["root"], level=0, is_open=False)
    ]
    below = TOP + len(rows) * (ROW + GAP)
    legend = [*_legend(blueprint, below + 26)]
    height = below + 44 + 20 * len(legend)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-label="{_quoted(_title(blueprint))}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *_head(blueprint),
        *_silhouette(blueprint, rows),
        *(part for place, row in enumerate(rows) for part in _module(blueprint, row, place, rows)),
        *legend,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def amount(number: int) -> str:
    """Return 1,814,073,344 as `1.81 G`."""
    for scale, unit in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return str(number)


def shape(sizes: Sequence[int] | None) -> str:
    """Return `64 × 112 × 112`."""
    return "not run" if sizes is None else " × ".join(str(size) for size in sizes)


def _rows(nodes: Sequence[Card], depth: int, level: int) -> Iterator[_Row]:
    for node in nodes:
        is_open = bool(node["children"]) and level + 1 < depth
        yield _Row(node=node, level=level, is_open=is_open)
        if is_open:
            yield from _rows(node["children"], depth, level + 1)


# --- parts of the picture ---------------------------------------------------------------------


def _title(blueprint: Card) -> str:
    return f"{blueprint['net']}: {blueprint['parameters']:,} parameters"


def _head(blueprint: Card) -> Iterator[str]:
    total, trained = blueprint["parameters"], blueprint["trained"]
    share = f"of which {100 * trained / total:.3g} %" if trained < total else "which all"
    facts = (
        f"image {shape(blueprint['input'])}  ·  {blueprint['classes']:,} classes  ·  "
        f"{total:,} parameters, {share} train  ·  "
        f"{blueprint['macs']:,} multiply-accumulates"
    )
    yield _text(SIDE, 42, str(blueprint["net"]), "t")
    yield _text(SIDE, 66, facts, "f")
    for x, word in ((OUTPUT, "gives out"), (PARAMETERS, "parameters"), (MACS, "multiply-acc.")):
        yield _text(x, TOP - 16, word, "f s")
    yield f'<path d="M{SIDE} {TOP - 8}H{WIDTH - SIDE}" stroke="{LINE}"/>'


def _silhouette(blueprint: Card, rows: Sequence[_Row]) -> Iterator[str]:
    """Draw what is given out, where no module in it shows more of it."""
    shown = [(place, row) for place, row in enumerate(rows) if not row.is_open]
    sides = [_side(row.node["output"]) for _, row in shown]
    most = math.log2(1 + max([*sides, *blueprint["input"][1:]]))
    channels = math.log2(1 + max((_channels(row.node["output"]) for _, row in shown), default=1))
    middle = SIDE + SILHOUETTE / 2
    for (place, row), side in zip(shown, sides, strict=True):
        if row.node["output"] is None:
            continue
        width = 10 + (SILHOUETTE - 10) * math.log2(1 + side) / most
        depth = math.log2(1 + _channels(row.node["output"])) / (channels or 1)
        yield (
            f'<rect x="{middle - width / 2:.1f}" y="{_top(place)}" width="{width:.1f}" '
            f'height="{ROW}" rx="4" fill="{_colours(row.node)[0]}" '
            f'fill-opacity="{0.15 + 0.75 * depth:.2f}"/>'
        )


def _module(blueprint: Card, row: _Row, place: int, rows: Sequence[_Row]) -> Iterator[str]:
    node, y = row.node, _top(place)
    x = NAMES + INDENT * row.level
    if row.is_open:
        inside = sum(1 for _ in _within(rows, place))
        end = _top(place + inside) + ROW
        yield f'<path d="M{x + 2} {y + ROW}V{end}" stroke="{LINE}" stroke-width="3"/>'
    yield from _stripe(node, x, y)
    base = y + ROW / 2 + 4.5
    name, kind = str(node["name"]), str(node["kind"])
    more = f"{kind}  {node['detail']}" if node["detail"] else kind
    room = int((OUTPUT - x - 24) / CHARACTER) - len(name)
    yield (
        f'<text x="{x + 12}" y="{base}"><tspan class="n">{escape(name)}</tspan>'
        f'<tspan class="f" dx="8">{escape(_cut(more, room))}</tspan></text>'
    )
    yield _text(OUTPUT, base, shape(node["output"]), "f" if node["output"] is None else "")
    strength = 0.28 if row.is_open else 0.85
    yield from _bar(PARAMETERS, y, node["parameters"], blueprint["parameters"], node, strength)
    yield from _bar(MACS, y, node["macs"], blueprint["macs"], node, strength)


def _within(rows: Sequence[_Row], place: int) -> Iterator[_Row]:
    for row in rows[place + 1 :]:
        if row.level <= rows[place].level:
            return
        yield row


def _stripe(node: Card, x: float, y: float) -> Iterator[str]:
    """Draw in whose groups a module trains: a stripe for each."""
    colours = _colours(node)
    part = ROW / len(colours)
    for place, colour in enumerate(colours):
        yield (
            f'<rect x="{x}" y="{y + place * part:.1f}" width="5" height="{part:.1f}" '
            f'fill="{colour}"/>'
        )


def _bar(x: float, y: float, number: int, total: int, node: Card, strength: float) -> Iterator[str]:
    if not number:
        return
    width = max(BAR * number / total, 1.5) if total else 0
    yield (
        f'<rect x="{x}" y="{y + ROW - 9}" width="{width:.1f}" height="5" rx="2" '
        f'fill="{_colours(node)[0]}" fill-opacity="{strength}"/>'
    )
    yield _text(x, y + 15, amount(number), "s")


def _legend(blueprint: Card, y: float) -> Iterator[str]:
    told = [
        (
            PALETTE[place % len(PALETTE)],
            f"{group['name']}: {group['parameters']:,} parameters train, lr {group['lr']:g}, "
            f"weight decay {group['weight_decay']:g}",
        )
        for place, group in enumerate(blueprint["groups"])
    ]
    if blueprint["trained"] < blueprint["parameters"]:
        frozen = blueprint["parameters"] - blueprint["trained"]
        told.append((FROZEN, f"{frozen:,} parameters stay as they are"))
    for place, (colour, text) in enumerate(told):
        at = y + 20 * place
        yield (
            f'<g><rect x="{SIDE}" y="{at - 10}" width="12" height="12" rx="2" fill="{colour}"/>'
            f"{_text(SIDE + 20, at, text, '')}</g>"
        )
    for place, note in enumerate(blueprint.get("notes") or (), start=len(told)):
        yield _text(SIDE, y + 20 * place, _cut(f"note: {note}", 132), "f")


# --- small things -----------------------------------------------------------------------------


def _top(place: int) -> float:
    return TOP + place * (ROW + GAP)


def _side(output: Sequence[int] | None) -> int:
    return max(output[1:]) if output is not None and len(output) > 2 else 1


def _channels(output: Sequence[int] | None) -> int:
    return output[0] if output else 1


def _colours(node: Card) -> Sequence[str]:
    """Return a colour for each group, or that of what stays or of what has no parameters."""
    if node["groups"]:
        return [PALETTE[group % len(PALETTE)] for group in node["groups"]]
    return [FROZEN if node["parameters"] else EMPTY]


def _text(x: float, y: float, text: str, style: str) -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x}" y="{y}"{kind}>{escape(text)}</text>'


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(room - 1, 0)] + "…"


def _quoted(text: str) -> str:
    return escape(text, {'"': "&quot;"})
