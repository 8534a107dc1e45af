"""Ways to fine-tune: exactly what a recipe trains changes; every other bit of the net stays."""

from itertools import pairwise
from pathlib import Path

import pytest
from timm.layers.conv_bn_act import ConvNormAct
from timm.layers.evo_norm import EvoNorm2dS0
from timm.layers.norm import RmsNorm
from torch import nn

from fttrain import assembly
from fttrain.models import build, norms, select
from fttrain.spec import rundir
from fttrain.spec.network import Model
from tests import engine, staged

HEAD = staged.layers("head")
NORMS = {
    f"{block}.1.{leaf}"
    for block in staged.BLOCKS
    for leaf in ("weight", "bias", *staged.STATISTICS)
}
STRATEGIES = {
    "whole": (["all"], staged.layers(*staged.BLOCKS, "head")),
    "feature extractor": (["head"], HEAD),
    "last 1": (["head", "last:1"], HEAD | staged.layers("features.2")),
    "last 2": (["head", "last:2"], HEAD | staged.layers("features.1", "features.2")),
    "first 1": (["first:1"], staged.layers("features.0")),
    "first 2": (["first:2", "head"], HEAD | staged.layers("features.0", "features.1")),
    # The statistics of a norm of which something trains move with the batches.
    "bias only": (
        ["param:bias", "head"],
        HEAD | {name for name in NORMS if not name.endswith("1.weight")},
    ),
    "norm and head": (["norm", "head"], HEAD | NORMS),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_exactly_what_trains_changes(tmp_path: Path, name: str) -> None:
    trains, expected = STRATEGIES[name]
    recipe = staged.recipe({"epochs": 1, "trains": trains})
    plan = engine.planned(recipe)
    engine.trained(tmp_path / "run", recipe, plan)

    before = assembly.net(recipe, plan).module.state_dict()
    assert staged.changed(before, staged.net_of(tmp_path / "run" / rundir.LAST)) == expected


def test_progressive_unfreezing_changes_what_each_stage_trains(tmp_path: Path) -> None:
    recipe = staged.recipe(
        {"epochs": 1, "trains": "head"},
        {"epochs": 1, "trains": ["head", "last:1"], "optimizer_state": "keep"},
        {"epochs": 1, "trains": ["head", "last:2"], "optimizer_state": "keep"},
        {"epochs": 1, "layer_decay": 0.5},
        {"epochs": 1, "trains": "head"},
        checkpoint={"keep": 9},
    )
    plan = engine.planned(recipe)
    engine.trained(tmp_path / "run", recipe, plan)

    nets = [assembly.net(recipe, plan).module.state_dict()]
    nets += [staged.at_step(tmp_path / "run", step) for step in (10, 20, 30, 40, 50)]
    found = [staged.changed(*pair) for pair in pairwise(nets)]
    assert found == [
        HEAD,
        HEAD | staged.layers("features.2"),
        HEAD | staged.layers("features.1", "features.2"),
        HEAD | staged.layers(*staged.BLOCKS),
        HEAD,
    ]


def test_rates_of_their_own_change_what_they_should(tmp_path: Path) -> None:
    """A rate so small that no bit moves shows whose it is."""
    recipe = staged.recipe(
        {"epochs": 1, "groups": [{"select": "head"}, {"select": "features.*", "lr": 1e-30}]},
        optimizer={"sgd": {"lr": 0.1}},
    )
    plan = engine.planned(recipe)
    engine.trained(tmp_path / "run", recipe, plan)
    before = assembly.net(recipe, plan).module.state_dict()
    found = staged.changed(before, staged.net_of(tmp_path / "run" / rundir.LAST))
    moved = {name for name in found if not name.endswith(staged.STATISTICS)}
    # What begins at 0 takes the smallest of steps.
    assert moved - {f"{block}.1.bias" for block in staged.BLOCKS} == HEAD


@pytest.mark.parametrize(
    "name", ["resnet18", "vit_b_16", "convnext_tiny", "timm/vit_tiny_patch16_224"]
)
def test_norm_is_every_normalisation_layer_and_nothing_else(name: str) -> None:
    net = build.skeleton(Model(name=name), classes=2, channels=3)
    found = set(select.union(net, ["norm"], "train.trains"))
    by_hand = {
        f"{path}.{leaf}"
        for path, module in net.module.named_modules()
        if type(module).__name__ in ("BatchNorm2d", "LayerNorm", "LayerNorm2d")
        for leaf in ("weight", "bias")
    }
    assert found == by_hand != set()


@pytest.mark.parametrize(
    ("module", "is_norm"),
    [
        (nn.GroupNorm(2, 4), True),
        (nn.RMSNorm(4), True),
        (nn.InstanceNorm2d(4, affine=True), True),
        (nn.InstanceNorm2d(4), False),
        (RmsNorm(4), True),
        (EvoNorm2dS0(32), True),
        (ConvNormAct(3, 4), False),
        (nn.LocalResponseNorm(3), False),
        (nn.Linear(3, 4), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_norm_is_known_whatever_its_class(module: nn.Module, is_norm: bool) -> None:
    assert norms.is_norm(module) == is_norm


def test_a_net_without_norms_says_so() -> None:
    recipe = engine.parsed({"fake": {}}, {"name": "alexnet"}, {"trains": ["norm"]})
    found = engine.refused(recipe)
    assert found["train.trains[0]"] == "alexnet has no normalisation layer with parameters"
