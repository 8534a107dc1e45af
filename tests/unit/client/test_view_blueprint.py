"""What a net is made of, as a tree and as a diagram."""

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from rich.console import Console

from ftctl.blueprints import Blueprint
from ftctl.view import blueprint as view

SVG = "{http://www.w3.org/2000/svg}"


def node(name: str, kind: str, *children: Any, **more: Any) -> dict[str, Any]:
    sums = {key: sum(child[key] for child in children) for key in ("parameters", "trained", "macs")}
    groups = sorted({group for child in children for group in child["groups"]})
    plain = {"detail": "", "output": [8, 4, 4], "groups": groups, "children": list(children)}
    return {"name": name, "kind": kind, **plain, **sums, **more}


def net(**more: Any) -> Blueprint:
    conv = node(
        "0", "Conv2d", parameters=216, macs=221_184, output=[8, 32, 32], detail="3×3, 3 → 8"
    )
    act = node("1", "ReLU", output=[8, 32, 32])
    stem = node("stem", "Sequential", conv, act)
    aside = node("aux", "Linear", parameters=10, output=None)
    head = node("head", "Linear", parameters=18, trained=18, macs=16, output=[2], groups=[0])
    head["detail"] = "8 → 2"
    root = node("small", "Net", stem, aside, head, output=[2])
    return Blueprint({
        "net": "small", "input": [3, 32, 32], "classes": 2,
        **{key: root[key] for key in ("parameters", "trained", "macs")},
        "groups": [{"name": "head", "parameters": 18, "lr": 0.1, "weight_decay": 0.0}],
        "notes": ["images are not known: <none>"], "root": root, **more,
    })  # fmt: skip


def drawn(found: Blueprint, depth: int, columns: int | None) -> list[str]:
    console = Console(width=columns or 80, force_terminal=columns is not None, color_system=None)
    with console.capture() as seen:
        view.show(found, depth, console)
    return [line.rstrip() for line in seen.get().splitlines()]


# --- the tree ---------------------------------------------------------------------------------


def test_each_module_has_a_line_with_its_sums() -> None:
    assert drawn(net(), 2, 100) == [
        " net       small, 244 parameters, 18 of them train (7.4 %)",
        " takes     an image of 3 × 32 × 32, 2 classes",
        "           221,200 multiply-accumulates (MACs) in convolutions and products",
        " note      images are not known: <none>",
        "",
        "module   what               gives out  parameters   MACs  trains",
        "small    Net                2                 244  221 k  ● 1 (7.4 %)",
        "├─ stem  Sequential         8×4×4             216  221 k  frozen",
        "│  ├─ 0  Conv2d 3×3, 3 → 8  8×32×32           216  221 k  frozen",
        "│  └─ 1  ReLU               8×32×32",
        "├─ aux   Linear             not run            10         frozen",
        "└─ head  Linear 8 → 2       2                  18     16  ● 1",
        "",
        " trains         group  parameters   lr  decay",
        "           ● 1  head           18  0.1      0",
    ]


def test_what_is_folded_tells_how_many_are_inside() -> None:
    told = drawn(net(), 1, 100)
    assert "├─ stem  Sequential (+2)  8×4×4             216  221 k  frozen" in told
    assert not any("Conv2d" in line for line in told)


def test_at_no_depth_the_net_alone_is_told() -> None:
    assert sum("(+3)" in line for line in drawn(net(), 0, 100)) == 1


def test_many_groups_are_told_as_a_run() -> None:
    group = {"parameters": 18, "weight_decay": 0.0}
    groups = [{**group, "name": f"all (depth {at})", "lr": 0.1 * 0.75**at} for at in range(22)]
    found = net(groups=groups)
    found["root"]["children"][2]["groups"] = [0, 1, 3, 4, 5, 7, 8]

    told = drawn(found, 1, 80)

    assert told[9].endswith("● 1, ● 2, ● 4–6, ● 8, ● 9")
    assert told[-1] == "           ● 22  all (depth 21)          18  0.000237841      0"


@pytest.mark.parametrize("columns", [40, 60, 80, 160])
def test_a_tree_keeps_to_its_terminal(columns: int) -> None:
    assert all(len(line) <= columns for line in drawn(net(), 2, columns))


def test_a_pipe_cuts_nothing() -> None:
    found = net()
    found["root"]["children"][0]["kind"] = "A" * 90
    assert any("A" * 90 in line for line in drawn(found, 2, None))


# --- the diagram ------------------------------------------------------------------------------


def texts(drawing: str) -> list[str]:
    return ["".join(each.itertext()) for each in ET.fromstring(drawing).iter(f"{SVG}text")]


def test_a_diagram_is_well_formed_and_tells_what_the_tree_tells() -> None:
    told = texts(net().svg())

    assert told[0] == "small"
    assert told[1] == (
        "image 3 × 32 × 32  ·  2 classes  ·  244 parameters, of which 7.38 % train  ·  221,200 "
        "multiply-accumulates"
    )
    assert "0Conv2d  3×3, 3 → 8" in told
    assert {"8 × 32 × 32", "221 k", "not run"} <= set(told)
    assert told[-3:] == [
        "head: 18 parameters train, lr 0.1, weight decay 0",
        "226 parameters stay as they are",
        "note: images are not known: <none>",
    ]


def test_a_diagram_grows_with_its_depth_and_stays_as_wide() -> None:
    flat, deep = (ET.fromstring(net().svg(depth)) for depth in (1, 2))
    assert int(deep.attrib["height"]) > int(flat.attrib["height"])
    assert deep.attrib["width"] == flat.attrib["width"] == "1000"


def test_a_module_wears_the_colours_of_its_groups() -> None:
    found = net()
    found["root"]["children"][2]["groups"] = [0, 1]
    colours = [
        each.attrib["fill"]
        for each in ET.fromstring(found.svg()).iter(f"{SVG}rect")
        if each.attrib.get("width") == "5"
    ]
    assert colours == ["#8d99a6", "#8d99a6", "#dfe4ea", "#8d99a6", "#0072b2", "#d55e00"]


def test_a_net_of_one_module_is_a_diagram_too() -> None:
    single = node("net", "Linear", parameters=6, trained=6, macs=6, output=[2], groups=[0])
    assert "netLinear" in texts(net(root=single).svg())


# --- in a notebook ----------------------------------------------------------------------------


def test_a_module_is_found_by_its_path() -> None:
    found = net()
    assert found.module("stem.0")["parameters"] == 216
    assert found.module("") is found["root"]
    with pytest.raises(KeyError, match=r"small has no module `stem\.7`"):
        found.module("stem.7")


def test_a_blueprint_shows_itself_and_is_plain_data() -> None:
    found = net()
    assert repr(found) == (
        "<Blueprint: net small; parameters 244; train 18; multiply-accumulates 221,200>"
    )
    assert found._repr_svg_() == found.svg()
    assert "<svg" in found._repr_html_()
    assert json.loads(json.dumps(found)) == found
