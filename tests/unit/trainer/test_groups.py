"""The group table holds each trained parameter once."""

from typing import Any

import pytest

from fttrain.models import build
from fttrain.optim import groups
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.network import Model
from fttrain.spec.plan import GroupCard
from fttrain.spec.recipe import Recipe
from tests import engine

NET = build.skeleton(Model(name="resnet18"), classes=2, channels=3)
ADAMW = {"adamw": {"lr": 0.1, "weight_decay": 0.5}}


def recipe(**train: Any) -> Recipe:
    return engine.parsed({"digits": {}}, {"name": "resnet18"}, {"optimizer": ADAMW, **train})


def table(**train: Any) -> list[GroupCard]:
    return groups.table(NET, recipe(**train).train)


def faults(**train: Any) -> dict[str, str]:
    with pytest.raises(RecipeFaults) as caught:
        table(**train)
    return {fault.field: fault.description for fault in caught.value.faults}


def test_without_groups_all_that_trains_is_one() -> None:
    (card,) = table(trains=["head", "layer4.1.bn2.*"])
    assert card == GroupCard(
        name="head, layer4.1.bn2.*",
        tensors=4,
        parameters=512 * 2 + 2 + 2 * 512,
        lr=0.1,
        weight_decay=0.5,
        names=["layer4.1.bn2.weight", "layer4.1.bn2.bias", "fc.weight", "fc.bias"],
    )


def test_a_group_has_the_optimizers_values_where_it_states_none() -> None:
    first, second = table(
        trains=["head", "last:1"],
        groups=[
            {"select": "head", "lr": 0.2, "weight_decay": 0.0},
            {"select": ["last:1"]},
        ],
    )
    assert (first.name, first.lr, first.weight_decay) == ("head", 0.2, 0.0)
    assert (second.name, second.lr, second.weight_decay) == ("last:1", 0.1, 0.5)


def test_a_group_takes_only_what_trains() -> None:
    biases, rest = table(
        trains="head", groups=[{"select": "param:bias"}, {"select": "param:weight"}]
    )
    assert (biases.names, rest.names) == (["fc.bias"], ["fc.weight"])


def test_a_group_of_which_nothing_trains_is_a_fault() -> None:
    found = faults(trains="head", groups=[{"select": "head"}, {"select": "layer1.*"}])
    assert found == {
        "train.groups[1].select": "matches 12 parameters, none of which trains; see train.trains"
    }


def test_a_parameter_in_two_groups_is_a_fault() -> None:
    found = faults(
        trains=["head", "last:1"],
        groups=[{"select": "param:weight"}, {"select": ["head", "last:1"]}],
    )
    assert found == {
        "train.groups[1].select": "5 parameters are already in train.groups[0] (such as "
        "layer4.1.conv1.weight); a parameter has one learning rate"
    }


def test_a_trained_parameter_in_no_group_is_a_fault() -> None:
    found = faults(trains=["head", "layer4.1.bn2.*"], groups=[{"select": "fc.weight"}])
    assert found == {
        "train.groups": "3 parameters are trained but in no group (layer4.1.bn2.weight, "
        "layer4.1.bn2.bias, ...); add a group that selects them, such as {select: rest}, or take "
        "them out of train.trains"
    }


def test_selectors_of_groups_are_checked_all_at_once() -> None:
    found = faults(groups=[{"select": ["all", "typo:x"]}, {"select": "param:gamma"}])
    assert list(found) == ["train.groups[0].select[1]", "train.groups[1].select[0]"]


def test_a_plans_groups_freeze_everything_else() -> None:
    net = build.fresh(Model(name="resnet18"), classes=2, channels=3, seed=0)
    cards = table(trains="head")

    (group,) = groups.of_cards(cards, net.module)

    assert list(group.parameters) == ["fc.weight", "fc.bias"]
    training = [name for name, p in net.module.named_parameters() if p.requires_grad]
    assert training == ["fc.weight", "fc.bias"]


def test_the_table_is_printed_in_columns() -> None:
    cards = table(trains=["head", "param:bias"], groups=[{"select": "all", "lr": 0.004}])
    assert groups.lines(cards) == [
        "group  tensors  parameters     lr  weight decay",
        "all         22       5,826  0.004           0.5",
    ]


def test_a_group_of_the_rest_takes_what_no_other_selects() -> None:
    head, last, rest = table(
        groups=[{"select": "head"}, {"select": "last:1", "lr_factor": 0.6},
                {"select": "rest", "lr_factor": 0.4}],
    )  # fmt: skip

    assert (rest.name, rest.lr, rest.lr_origin) == ("rest", 0.1 * 0.4, "0.1 x 0.4")
    assert (last.lr, last.lr_origin) == (0.1 * 0.6, "0.1 x 0.6")
    whole = [name for name, _ in NET.module.named_parameters()]
    assert sorted([*head.names, *last.names, *rest.names]) == sorted(whole)
    assert rest.names == [n for n in whole if n not in {*head.names, *last.names}]
    # Wherever it stands among them.
    first, *_ = table(groups=[{"select": "rest"}, {"select": "head"}])
    assert first.names == [name for name in whole if name not in head.names]


def test_a_share_of_a_rate_that_follows_the_batch_says_both() -> None:
    scaled = {"sgd": {"lr": {"base": 0.5, "at_batch": 1024}}}

    (card,) = table(batch_size=128, optimizer=scaled, groups=[{"select": "all", "lr_factor": 0.5}])

    assert card.lr == pytest.approx(0.5 * 128 / 1024 * 0.5, rel=1e-15)
    assert card.lr_origin == "0.5 x 128/1024 x 0.5"


def test_a_rest_of_nothing_and_two_rests_are_faults() -> None:
    assert faults(groups=[{"select": "all"}, {"select": "rest"}]) == {
        "train.groups[1].select": "`rest` is what no other group selects, and they select all that "
        "trains"
    }
    (twice,) = faults(groups=[{"select": "head"}, *[{"select": "rest"}] * 2]).items()
    assert twice[0] == "train.groups[2].select"
    assert "already in train.groups[1]" in twice[1]


def test_a_rate_and_a_share_of_one_are_not_both_said() -> None:
    assert faults(groups=[{"select": "all", "lr": 0.1, "lr_factor": 0.5}]) == {
        "train.groups[0]": "say lr or lr_factor, not both: the rate, or so many times the "
        "optimizer's"
    }
