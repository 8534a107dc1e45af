"""Selectors mean what they say, or say what there is instead."""

import pytest

from fttrain.models import build, select
from fttrain.models.zoo import Net
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.network import Cnn, Model

MOBILENET = build.skeleton(Model(name="mobilenet_v2"), classes=2, channels=3)
RESNET = build.skeleton(Model(name="resnet18"), classes=2, channels=3)
SMALL = build.skeleton(Model(cnn=Cnn()), classes=2, channels=3)


def chosen(net: Net, *selectors: str) -> list[str]:
    return select.union(net, selectors, "train.trains")


def under(net: Net, *prefixes: str) -> list[str]:
    return [name for name, _ in net.module.named_parameters() if name.startswith(prefixes)]


def test_all_is_every_parameter() -> None:
    assert chosen(RESNET, "all") == [name for name, _ in RESNET.module.named_parameters()]


@pytest.mark.parametrize(
    ("net", "prefix"), [(MOBILENET, "classifier.1."), (RESNET, "fc."), (SMALL, "head.")]
)
def test_head_is_the_last_linear_layer(net: Net, prefix: str) -> None:
    assert chosen(net, "head") == under(net, prefix) != []


def test_first_and_last_count_blocks_with_parameters_before_the_head() -> None:
    assert chosen(RESNET, "first:3") == under(RESNET, "conv1.", "bn1.", "layer1.0.")
    assert chosen(RESNET, "last:2") == under(RESNET, "layer4.")
    assert chosen(MOBILENET, "last:1") == under(MOBILENET, "features.18.")
    assert chosen(MOBILENET, "first:19") == under(MOBILENET, "features.")
    assert chosen(SMALL, "last:1") == under(SMALL, "features.2.")


def test_block_is_a_module_or_a_slice_of_a_chain() -> None:
    assert chosen(MOBILENET, "block:features[-5:]") == under(
        MOBILENET, *(f"features.{i}." for i in range(14, 19))
    )
    assert chosen(MOBILENET, "block:features[1]") == under(MOBILENET, "features.1.")
    assert chosen(RESNET, "block:layer4") == under(RESNET, "layer4.")
    assert chosen(RESNET, "block:layer4[0].conv1") == ["layer4.0.conv1.weight"]
    assert chosen(RESNET, "block:layer4[-1].bn2") == under(RESNET, "layer4.1.bn2.")
    assert chosen(MOBILENET, "block:features[::9]") == under(
        MOBILENET, "features.0.", "features.9.", "features.18."
    )


def test_type_is_the_class_of_a_module() -> None:
    assert len(chosen(MOBILENET, "type:BatchNorm2d")) == 104
    assert chosen(RESNET, "type:Linear") == under(RESNET, "fc.")
    assert chosen(RESNET, "type:BasicBlock") == under(RESNET, "layer")


def test_param_is_a_parameters_own_name() -> None:
    biases = chosen(RESNET, "param:bias")
    assert biases == [name for name in chosen(RESNET, "all") if name.endswith(".bias")]


def test_other_text_is_a_glob_over_names() -> None:
    assert chosen(MOBILENET, "features.18.*") == under(MOBILENET, "features.18.")
    assert chosen(RESNET, "fc.bias") == ["fc.bias"]


def test_several_selectors_are_a_union_in_the_nets_order() -> None:
    assert chosen(RESNET, "head", "first:1", "fc.*") == under(RESNET, "conv1.", "fc.")


MESSAGES = [
    (RESNET, "last:11", "`last:11` needs a number from 1 to 10: resnet18 has 10 blocks with "
     "parameters before its head"),
    (RESNET, "first:0", "`first:0` needs a number from 1 to 10: resnet18 has 10 blocks with "
     "parameters before its head"),
    (RESNET, "first:two", "`first:two` needs a number from 1 to 10: resnet18 has 10 blocks with "
     "parameters before its head"),
    (MOBILENET, "block:feature[-5:]", "mobilenet_v2 has no `feature`; did you mean `features`?"),
    (MOBILENET, "block:xyz", "mobilenet_v2 has no `xyz`; there are: features, classifier"),
    (MOBILENET, "block:features[19]", "`features` has the blocks 0 to 18, so `[19]` is none"),
    (MOBILENET, "block:features[30:]", "`features` has the blocks 0 to 18; `[30:]` takes none"),
    (RESNET, "block:conv1[0]", "`conv1` is no chain of blocks, so it takes no `[0]`"),
    (RESNET, "block:layer4[", "`block:layer4[` cannot be read from `[` on; write it as "
     "`block:features[-5:]` or `block:layer4[0].conv1`"),
    (RESNET, "block:layer4[0:2].conv1", "`block:layer4[0:2].conv1` cannot be read from `.conv1` "
     "on; write it as `block:features[-5:]` or `block:layer4[0].conv1`"),
    (RESNET, "block:", "`block:` cannot be read; write it as `block:features[-5:]` or "
     "`block:layer4[0].conv1`"),
    (RESNET, "block:layer4[-]", "`block:layer4[-]` cannot be read from `[-]` on; write it as "
     "`block:features[-5:]` or `block:layer4[0].conv1`"),
    (RESNET, "block:relu", "`block:relu` holds no parameters"),
    (RESNET, "type:BatchNorm", "resnet18 has no `BatchNorm` with parameters; did you mean "
     "`BatchNorm2d`?"),
    (RESNET, "type:ReLU", "resnet18 has no `ReLU` with parameters; there are: BasicBlock, "
     "BatchNorm2d, Conv2d, Linear, ResNet, Sequential"),
    (RESNET, "param:gamma", "no parameter of resnet18 is called `gamma`; there are: bias, weight"),
    (RESNET, "heads", "`heads` matches no parameter of resnet18; did you mean `head`?"),
    (MOBILENET, "features", "`features` matches no parameter of mobilenet_v2; did you mean "
     "`features.*`?"),
    (MOBILENET, "features[-5:]", "`features[-5:]` matches no parameter of mobilenet_v2; did you "
     "mean `block:features[-5:]`?"),
    (MOBILENET, "feature.18.*", "`feature.18.*` matches no parameter of mobilenet_v2; did you "
     "mean `features.18.*`?"),
    (RESNET, "norm:all", "unknown kind of selector `norm:`; known: all, head, norm, first:, last:, "
     "block:, type:, param:, a glob such as features.18.*"),
]  # fmt: skip


@pytest.mark.parametrize(("net", "selector", "message"), MESSAGES)
def test_a_selector_that_matches_nothing_says_what_there_is(
    net: Net, selector: str, message: str
) -> None:
    with pytest.raises(RecipeFaults) as caught:
        chosen(net, selector)
    assert [(f.field, f.description) for f in caught.value.faults] == [("train.trains[0]", message)]


def test_each_selector_without_a_match_is_a_fault_of_its_own() -> None:
    with pytest.raises(RecipeFaults) as caught:
        chosen(RESNET, "type:X", "head", "param:y")
    assert [f.field for f in caught.value.faults] == ["train.trains[0]", "train.trains[2]"]
