"""Nets are chains of blocks, built without waste and with initial values of their own."""

from functools import reduce

import pytest
import torch
import torchvision
from torch import nn

from fttrain import generator
from fttrain.models import build, frozen, zoo
from fttrain.models.zoo import Net
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.network import Cnn, Model


def fresh(name: str, *, classes: int = 3, seed: int = 0) -> Net:
    model = Model(cnn=Cnn(dropout=0.3)) if name == "cnn" else Model(name=name)
    return build.fresh(model, classes=classes, channels=3, seed=seed)


@pytest.mark.parametrize("name", [*zoo.PROVEN, "cnn"])
def test_the_fold_of_the_blocks_is_the_net_bit_for_bit(name: str) -> None:
    net = fresh(name)
    images = torch.rand(2, 3, 64, 64)

    for mode in (True, False):
        net.module.train(mode)
        generator.reseed(5)
        whole = net.module(images)
        generator.reseed(5)
        folded = reduce(lambda x, block: block.run(x), net.blocks, images)
        assert torch.equal(whole, folded)


@pytest.mark.parametrize("name", [*zoo.PROVEN, "cnn"])
def test_the_blocks_hold_every_parameter_once_in_the_nets_order(name: str) -> None:
    net = fresh(name)
    modules = [block.module for block in net.blocks if block.module is not None]
    of_blocks = [id(parameter) for module in modules for parameter in module.parameters()]
    assert of_blocks == [id(parameter) for parameter in net.module.parameters()]


def test_blocks_are_named_as_selectors_name_them() -> None:
    mobilenet, resnet, cnn = fresh("mobilenet_v2"), fresh("resnet18"), fresh("cnn")
    assert [block.name for block in mobilenet.blocks] == [
        *(f"features[{i}]" for i in range(19)), "pool", "classifier[0]", "classifier[1]",
    ]  # fmt: skip
    assert [block.name for block in resnet.blocks] == [
        "conv1", "bn1", "relu", "maxpool", "layer1[0]", "layer1[1]", "layer2[0]", "layer2[1]",
        "layer3[0]", "layer3[1]", "layer4[0]", "layer4[1]", "pool", "fc",
    ]  # fmt: skip
    assert [block.name for block in cnn.blocks] == [
        "features[0]", "features[1]", "features[2]", "pool", "dropout", "head",
    ]  # fmt: skip


def test_a_net_of_torchvision_that_is_not_proven_is_refused_with_that_word() -> None:
    with pytest.raises(RecipeFaults) as caught:
        zoo.check_name("vgg16")
    assert str(caught.value) == (
        "model.name: `vgg16` is not proven in this version; proven: resnet18, resnet34, "
        "resnet50, resnet101, resnet152, mobilenet_v2, mobilenet_v3_small, mobilenet_v3_large"
    )


def test_an_unknown_net_is_refused_with_the_nearest() -> None:
    with pytest.raises(RecipeFaults, match=r"^model.name: unknown net `mobilenet-v2`; did you"):
        zoo.check_name("mobilenet-v2")
    with pytest.raises(RecipeFaults, match=r"^model.name: unknown net `x`; proven: resnet18, "):
        zoo.check_name("x")


def test_random_values_are_a_function_of_the_seed_alone() -> None:
    torch.manual_seed(1)
    first, other = fresh("resnet18", seed=7), fresh("resnet18", seed=8)
    expected_next = torch.rand(1)
    torch.manual_seed(1)
    again = fresh("resnet18", seed=7)

    assert torch.rand(1) == expected_next
    assert states_equal(first.module, again.module)
    assert not torch.equal(first.module.conv1.weight, other.module.conv1.weight)  # type: ignore


@pytest.mark.parametrize("name", [*zoo.PROVEN, "cnn"])
def test_loading_takes_the_tensors_over_and_makes_a_new_head(name: str) -> None:
    model = Model(cnn=Cnn()) if name == "cnn" else Model(name=name)
    source = build.fresh(model, classes=5, channels=3, seed=1)
    kept = {n: t for n, t in source.module.state_dict().items() if not n.startswith(source.head)}

    net = build.loaded(model, classes=2, channels=3, tensors=kept, seed=3)
    again = build.loaded(model, classes=2, channels=3, tensors=kept, seed=3)
    other = build.loaded(model, classes=2, channels=3, tensors=kept, seed=4)

    state = net.module.state_dict()
    assert all(state[name].data_ptr() == tensor.data_ptr() for name, tensor in kept.items())
    assert torch.equal(net.head_layer.weight, again.head_layer.weight)
    assert not torch.equal(net.head_layer.weight, other.head_layer.weight)
    assert all(parameter.requires_grad for parameter in net.module.parameters())
    assert not any(tensor.is_meta for tensor in state.values())


@pytest.mark.parametrize(("name", "spread"), [("mobilenet_v2", 0.01), ("resnet18", 0.0255)])
def test_a_new_head_is_drawn_as_torchvision_draws_it(name: str, spread: float) -> None:
    model = Model(name=name)
    state = build.fresh(model, classes=5, channels=3, seed=1).module.state_dict()
    kept = {n: t for n, t in state.items() if not n.startswith(("fc.", "classifier."))}
    drawn = build.loaded(model, classes=500, channels=3, tensors=kept, seed=3).head_layer
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, name)(num_classes=500)
    reference = theirs.fc if name == "resnet18" else theirs.classifier[1]

    assert drawn.weight.std().item() == pytest.approx(spread, rel=0.02)
    assert drawn.weight.std().item() == pytest.approx(reference.weight.std().item(), rel=0.02)
    assert (drawn.bias == 0).all() == (reference.bias == 0).all()


def test_half_precision_weights_become_single() -> None:
    model = Model(name="resnet18")
    state = build.fresh(model, classes=2, channels=3, seed=1).module.half().state_dict()
    net = build.loaded(model, classes=2, channels=3, tensors=state, seed=0)
    assert {parameter.dtype for parameter in net.module.parameters()} == {torch.float32}


def test_a_card_gives_a_module_in_eval_mode() -> None:
    model = Model(cnn=Cnn(channels=[4], dropout=0.5))
    state = build.fresh(model, classes=3, channels=1, seed=1).module.state_dict()
    module = build.from_card(model, 3, 1, state)
    assert not module.training
    assert states_equal(module, state)


def test_what_lies_before_the_first_trained_block_runs_ahead() -> None:
    net = fresh("resnet18")
    layer4 = [name for name, _ in net.module.named_parameters() if name.startswith("layer4.0")]
    assert net.blocks[frozen.prefix(net, layer4)].name == "layer4[0]"
    assert frozen.prefix(net, ["conv1.weight"]) == 0
    assert net.blocks[frozen.prefix(net, ["fc.bias"])].name == "fc"


def test_dropout_does_not_run_ahead() -> None:
    mobilenet, cnn = fresh("mobilenet_v2"), fresh("cnn")
    assert mobilenet.blocks[frozen.prefix(mobilenet, ["classifier.1.weight"])].name == (
        "classifier[0]"
    )
    assert cnn.blocks[frozen.prefix(cnn, ["head.bias"])].name == "dropout"
    without = build.fresh(Model(cnn=Cnn()), classes=2, channels=3, seed=0)
    assert without.blocks[frozen.prefix(without, ["head.bias"])].name == "head"


def test_batch_norm_moves_only_where_its_own_parameters_train() -> None:
    net = fresh("resnet18")
    moving, staying = frozen.norms(net, ["bn1.bias", "layer1.0.conv1.weight", "fc.weight"])
    assert moving == [net.module.bn1]
    assert len(staying) == 19


def states_equal(module: nn.Module, other: nn.Module | dict[str, torch.Tensor]) -> bool:
    state = other.state_dict() if isinstance(other, nn.Module) else other
    return all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
