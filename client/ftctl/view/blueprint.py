"""What a net is made of, as a tree: a module in each line."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.text import Text

from ftctl.blueprints import Blueprint
from ftctl.drawing import amount, shape
from ftctl.view import console as out
from ftctl.view import grid, text
from ftctl.view.labels import LABEL_COLUMNS, labelled

TITLES = ("module", "what", "gives out", "parameters", "MACs", "trains")
ALIGNS = "<<<>><"
# Where a terminal has no room for all: the columns that are cut, and to how little.
FLEXIBLE = ((TITLES.index("what"), 14), (TITLES.index("module"), 16))
SPARE = (TITLES.index("what"),)
COLOURS = ("accent", "good", "warn", "magenta", "blue", "bad")
SHORTEST_RUN = 3
BEGUN, LAST, THROUGH, PAST = "├─ ", "└─ ", "│  ", "   "
Card = Mapping[str, Any]


def show(found: Blueprint, depth: int, console: Console) -> None:
    """Print a net, its modules down to a depth."""
    out.show(console, lines(found, depth, console))


def lines(found: Blueprint, depth: int, console: Console) -> list[Text]:
    """Return a heading, a line for each module, and what the groups are."""
    width = console.width if console.is_terminal else None
    rows: list[list[str | Text]] = [[Text(title, "label") for title in TITLES]]
    rows += _rows(found["root"], "", "", depth)
    tree = grid.lines(rows, aligns=ALIGNS, width=width, flexible=FLEXIBLE, spare=SPARE)
    return [*_head(found, console), Text(), *tree, Text(), *_groups(found, console)]


def _head(found: Blueprint, console: Console) -> Iterator[Text]:
    total, trained = found["parameters"], found["trained"]
    share = f"{100 * trained / total:.2g} %" if total else "–"
    part = "all of them train"
    if trained < total:
        part = f"{text.count(trained)} of them train ({share})"
    net = f"{text.clean(found['net'])}, {text.count(total)} parameters, {part}"
    yield from labelled("net", [net], console)
    image = f"an image of {shape(found['input'])}, {text.counted(found['classes'], 'class')}"
    work = f"{text.count(found['macs'])} multiply-accumulates (MACs) in convolutions and products"
    yield from labelled("takes", [image, work], console)
    yield from labelled("note", [text.clean(note) for note in found["notes"]], console)


def _rows(node: Card, before: str, below: str, depth: int) -> Iterator[list[str | Text]]:
    """Yield the row of a module and of those in it, each behind the lines of the tree."""
    yield [
        Text.assemble((before, "label"), (text.clean(node["name"]), "title" if depth else "")),
        Text(_what(node, is_folded=not depth), "label"),
        Text(shape(node["output"]).replace(" × ", "×"), "label" if node["output"] is None else ""),
        text.count(node["parameters"]) if node["parameters"] else "",
        amount(node["macs"]) if node["macs"] else "",
        _trains(node),
    ]
    children: Sequence[Card] = node["children"] if depth else ()
    for place, child in enumerate(children):
        is_last = place == len(children) - 1
        begun, through = (LAST, PAST) if is_last else (BEGUN, THROUGH)
        yield from _rows(child, below + begun, below + through, depth - 1)


def _what(node: Card, *, is_folded: bool) -> str:
    told = " ".join(filter(None, (node["kind"], node["detail"])))
    count = len(node["children"])
    return f"{told} (+{count})" if is_folded and count else told


def _trains(node: Card) -> Text:
    """Say in which groups a module's parameters train, and how many of them."""
    if not node["parameters"]:
        return Text()
    if not node["trained"]:
        return Text("frozen", "label")
    told = Text(", ").join(
        Text(f"● {first + 1}" + (f"–{last + 1}" if last > first else ""), _colour(first))
        for first, last in _runs(node["groups"])
    )
    if node["trained"] < node["parameters"]:
        told.append(f" ({100 * node['trained'] / node['parameters']:.2g} %)", "label")
    return told


def _runs(groups: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of numbers that follow one another, if there are three."""
    for _, run in groupby(enumerate(groups), lambda at: at[1] - at[0]):
        members = [group for _, group in run]
        if len(members) < SHORTEST_RUN:
            yield from ((group, group) for group in members)
        else:
            yield members[0], members[-1]


def _groups(found: Blueprint, console: Console) -> Iterator[Text]:
    titles = ("", "group", "parameters", "lr", "decay")
    rows: list[list[str | Text]] = [[Text(title, "label") for title in titles]]
    rows += [
        [
            Text(f"● {place + 1}", _colour(place)),
            text.clean(group["name"]),
            text.count(group["parameters"]),
            text.number(group["lr"]),
            text.number(group["weight_decay"]),
        ]
        for place, group in enumerate(found["groups"])
    ]
    width = console.width - LABEL_COLUMNS if console.is_terminal else None
    table = grid.lines(rows, aligns="<<>>>", width=width, flexible=((1, 8),), spare=(4, 2))
    yield from labelled("trains", table if found["groups"] else [], console)


def _colour(group: int) -> str:
    return COLOURS[group % len(COLOURS)]
