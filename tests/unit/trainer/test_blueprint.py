"""The blueprint of a net: a tree whose numbers are exact sums."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fttrain import blueprint
from fttrain.models import build, download
from fttrain.spec.blueprint import Blueprint, Node
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.network import Model
from fttrain.spec.plan import Means
from fttrain.spec.recipe import Recipe
from tests import engine
from tests.photos import make_photo_folder

NETS = [
    {"name": "resnet18"},
    {"name": "mobilenet_v2"},
    {"name": "googlenet"},
    {"name": "vit_b_32"},
    {"name": "swin_t"},
    {"cnn": {"channels": [4, 8]}},
    {"name": "resnet18", "head": [{"linear": 64}, "gelu", {"dropout": 0.2}]},
]


def recipe(model: Mapping[str, Any], **train: Any) -> Recipe:
    return engine.parsed({"fake": {"classes": 7, "train": 16, "val": 7}}, model, train)


def drawn(model: Mapping[str, Any], **train: Any) -> Blueprint:
    return blueprint.draw(recipe(model, **train), references={})


def drawn_without_images(model: Mapping[str, Any]) -> Blueprint:
    chosen = engine.parsed({"folder": {"path": "/nowhere"}}, model, {})
    return blueprint.draw(chosen, references={})


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


def at(made: Blueprint, path: str) -> Node:
    node = made.root
    for name in path.split("."):
        (node,) = [child for child in node.children if child.name == name]
    return node


# --- sums -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", NETS, ids=str)
def test_totals_are_those_of_the_module_and_of_torch_s_counter(model: Mapping[str, Any]) -> None:
    made = drawn(model)

    module = build.skeleton(Model.model_validate(model), classes=7, channels=3).module.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.empty((1, *made.input), device="meta"))
    assert made.parameters == sum(parameter.numel() for parameter in module.parameters())
    assert made.macs == made.root.macs == counter.get_total_flops() // 2
    assert made.trained == made.parameters


@pytest.mark.parametrize("model", NETS, ids=str)
def test_children_add_up_to_their_parent_with_what_is_its_own(model: Mapping[str, Any]) -> None:
    made = drawn(model, trains=["head"])
    module = build.skeleton(Model.model_validate(model), classes=7, channels=3).module
    own = {
        path: sum(parameter.numel() for parameter in inner.parameters(recurse=False))
        for path, inner in module.named_modules()
    }

    def check(node: Node, path: str) -> None:
        for each in node.children:
            check(each, f"{path}.{each.name}".lstrip("."))
        assert node.parameters == own[path] + sum(each.parameters for each in node.children)
        assert node.trained <= node.parameters
        assert node.trained >= sum(each.trained for each in node.children)
        assert node.macs >= sum(each.macs for each in node.children)

    check(made.root, "")


def test_only_attention_multiplies_outside_of_its_children() -> None:
    made = drawn({"name": "vit_b_32"})
    beyond = {
        node.kind
        for node in walk(made.root)
        if node.children and node.macs != sum(child.macs for child in node.children)
    }
    assert beyond == {"MultiheadAttention"}


# --- what a node says -------------------------------------------------------------------------


def test_a_node_says_what_it_gives_out_and_what_it_is() -> None:
    made = drawn({"name": "mobilenet_v2"})

    assert made.input == (3, 224, 224)
    assert at(made, "features.0.0").detail == "3×3, 3 → 32, stride 2"
    assert at(made, "features.0.0").output == [32, 112, 112]
    assert at(made, "features.2.conv.1.0").detail == "3×3, 96 → 96, stride 2, depthwise"
    assert at(made, "classifier.1").detail == "1280 → 7"
    assert made.root.output == [7]


def test_what_evaluation_does_not_run_gives_nothing_out() -> None:
    aside = at(drawn({"name": "googlenet"}), "aux1")
    assert (aside.output, aside.macs) == (None, 0)
    assert aside.parameters > 0


def test_groups_are_told_by_what_trains_in_them() -> None:
    groups = [{"select": "head", "lr": 0.1}, {"select": "block:layer4", "lr": 0.01}]
    made = drawn({"name": "resnet18"}, trains=["head", "block:layer4"], groups=groups)

    assert [(group.name, group.lr) for group in made.groups] == [
        ("head", 0.1), ("block:layer4", 0.01),
    ]  # fmt: skip
    assert (at(made, "fc").groups, at(made, "layer4.1").groups) == ([0], [1])
    assert (at(made, "layer3").groups, at(made, "layer3").trained) == ([], 0)
    assert made.root.groups == [0, 1]
    assert made.trained == sum(group.parameters for group in made.groups)


def test_stages_bring_their_own_groups() -> None:
    stages = [{"epochs": 1, "trains": "head"}, {"epochs": 1, "trains": "all"}]
    body = recipe({"cnn": {"channels": [4, 8]}}).model_dump(mode="json", exclude_none=True)
    body["train"] |= {"stages": stages}
    del body["train"]["epochs"]

    made = blueprint.draw(Recipe.model_validate(body), references={})

    assert [group.name for group in made.groups] == ["stage 1: head", "stage 2: all"]
    assert at(made, "head").groups == [0, 1]
    assert at(made, "features").groups == [1]


# --- what is not known ------------------------------------------------------------------------


def test_neither_images_nor_weights_need_to_be_there() -> None:
    weights = {"name": "resnet18", "weights": "IMAGENET1K_V1"}
    chosen = engine.parsed({"folder": {"path": "/nowhere"}}, weights, {})

    made = blueprint.draw(chosen, references={})

    assert (made.classes, made.input) == (1000, (3, 224, 224))
    assert made.parameters == 11_689_512
    assert made.notes == [
        "images are not known: data.folder.path /nowhere does not exist on this machine",
        "classes are not known: counted with 1,000, those of the weights",
    ]


def test_without_images_and_weights_a_size_is_taken_and_said() -> None:
    chosen = engine.parsed({"folder": {"path": "/nowhere"}}, {"cnn": {"channels": [4]}}, {})
    made = blueprint.draw(chosen, references={})

    assert made.input == (3, 224, 224)
    assert made.notes[1:] == [
        "classes are not known: counted with 2",
        "the size of images is not known: counted at 224 × 224 pixels",
    ]


def test_a_net_that_takes_no_usual_size_is_counted_at_its_least() -> None:
    made = drawn_without_images({"name": "inception_v3"})
    assert made.input == (3, 299, 299)
    assert made.notes[2] == "the size of images is not known: counted at 299 × 299 pixels"


@pytest.mark.parametrize("weights", ["IMAGENET1K_V1", "timm"])
def test_nothing_is_downloaded(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: Any, **__: Any) -> None:
        raise AssertionError("it was fetched")

    monkeypatch.setattr(download, "fetch", fetch)
    name = "timm/resnet18" if weights == "timm" else "resnet34"
    made = drawn_without_images({"name": name, "weights": weights})
    assert not any("weights are not known" in note for note in made.notes)


def test_images_tell_classes_and_size(tmp_path: Path) -> None:
    photos = make_photo_folder(tmp_path / "photos", per_class=3, val_per_class=3)
    made = blueprint.draw(engine.photos(photos), references={})
    assert (made.classes, made.input, made.notes) == (2, (3, 32, 32), [])


def test_weights_of_a_job_that_is_not_there_are_noted() -> None:
    chosen = recipe({"name": "resnet18", "weights": "job:gone/best"})
    (note,) = blueprint.draw(chosen, references={}).notes
    assert note == (
        "weights are not known: model.weights no job is known here that `job:gone/best` could "
        "mean; use `file:PATH`"
    )


@pytest.mark.parametrize(
    ("model", "train", "field"),
    [
        ({"name": "resnet19"}, {}, "model.name"),
        ({"name": "resnet18"}, {"trains": ["block:layer5"]}, "train.trains[0]"),
        ({"name": "resnet18"}, {"groups": [{"select": "head"}]}, "train.groups"),
    ],
)
def test_a_net_or_selector_that_is_none_is_a_fault(
    model: Mapping[str, Any], train: Mapping[str, Any], field: str
) -> None:
    with pytest.raises(RecipeFaults) as found:
        drawn(model, **train)
    assert [fault.field for fault in found.value.faults] == [field]


def test_images_that_do_not_go_through_are_a_fault() -> None:
    small = {"resize": 8, "crop": 8, "mean": [0.5], "std": [0.5]}
    chosen = engine.parsed({"fake": {}, "preprocess": small}, {"name": "alexnet"}, {})
    with pytest.raises(RecipeFaults) as found:
        blueprint.draw(chosen, references={})
    assert "too small for alexnet" in found.value.faults[0].description


# --- remembering ------------------------------------------------------------------------------


def test_a_blueprint_is_remembered_until_its_recipe_changes(tmp_path: Path) -> None:
    def make(**train: Any) -> Blueprint:
        chosen = recipe({"cnn": {"channels": [4, 8]}}, **train)
        return blueprint.memoised(chosen, references={}, means=Means(cpus=1), cache=tmp_path)

    first = make()
    (file,) = tmp_path.iterdir()
    file.write_text(file.read_text().replace('"net":"cnn"', '"net":"kept"'))

    assert first.net == "cnn"
    assert make().net == "kept"
    assert make(trains=["head"]).net == "cnn"
