"""Nets are chains of blocks, built without waste and with initial values of their own."""

from functools import reduce

import pytest
import torch
from torch import nn

from fttrain import generator
from fttrain.models import build, frozen, zoo
from fttrain.models.zoo import Net
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.network import Cnn, Model, Rn

OWN = {"cnn": Model(cnn=Cnn(dropout=0.3)), "rn": Model(rn=Rn(blocks=2))}


def fresh(name: str, *, classes: int = 3, seed: int = 0) -> Net:
    return build.fresh(OWN.get(name) or Model(name=name), classes=classes, channels=3, seed=seed)


# One of each family that is small; tests/unit/trainer/test_models_all.py has all.
FEW = ("resnet18", "mobilenet_v2", "mobilenet_v3_small", "squeezenet1_1", *OWN)


def test_blocks_are_named_as_selectors_name_them() -> None:
    mobilenet, resnet = fresh("mobilenet_v2"), fresh("resnet18")
    cnn, rn = fresh("cnn"), fresh("rn")
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
    assert [block.name for block in rn.blocks] == [
        "dropout", "stem", "blocks[0]", "blocks[1]", "encoder[0]", "encoder[1]", "encoder[2]",
        "pool", "head",
    ]  # fmt: skip


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("is_trained", [True, False])
def test_the_fold_of_our_own_nets_is_the_net_bit_for_bit(name: str, is_trained: bool) -> None:
    net, images = fresh(name), torch.rand(4, 3, 32, 32)
    net.module.train(is_trained)
    generator.reseed(5)
    whole = net.module(images)
    generator.reseed(5)
    assert torch.equal(whole, reduce(lambda x, block: block.run(x), net.blocks, images))


def test_an_unknown_net_is_refused_with_the_nearest() -> None:
    with pytest.raises(RecipeFaults, match=r"^model.name: unknown net `mobilenet-v2`; did you"):
        zoo.check_name("mobilenet-v2")
    with pytest.raises(RecipeFaults, match=r"^model.name: unknown net `x`; known: alexnet, .*timm"):
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


@pytest.mark.parametrize("name", FEW)
def test_loading_takes_the_tensors_over_and_makes_a_new_head(name: str) -> None:
    model = OWN.get(name) or Model(name=name)
    source = build.fresh(model, classes=5, channels=3, seed=1)
    kept = {n: t for n, t in source.module.state_dict().items() if not n.startswith(source.head)}

    net = build.loaded(model, classes=2, channels=3, tensors=kept, seed=3)
    again = build.loaded(model, classes=2, channels=3, tensors=kept, seed=3)
    other = build.loaded(model, classes=2, channels=3, tensors=kept, seed=4)

    state = net.module.state_dict()
    assert all(state[name].data_ptr() == tensor.data_ptr() for name, tensor in kept.items())
    assert states_equal(net.head_layer, again.head_layer)
    assert not states_equal(net.head_layer, other.head_layer)
    assert all(parameter.requires_grad for parameter in net.module.parameters())
    assert not any(tensor.is_meta for tensor in state.values())


HEADS = {
    "alexnet": 0.0090, "convnext_tiny": 0.02, "densenet121": 0.0180, "efficientnet_b0": 0.0258,
    "googlenet": 0.01, "inception_v3": 0.1, "maxvit_t": 0.02, "mnasnet0_5": 0.0447,
    "mobilenet_v2": 0.01, "regnet_y_400mf": 0.01, "resnet18": 0.0255, "shufflenet_v2_x0_5": 0.0180,
    "squeezenet1_1": 0.01, "swin_t": 0.02, "vgg11": 0.01, "vit_b_32": 0.0,
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_a_new_head_is_drawn_as_torchvision_draws_it(name: str) -> None:
    model = Model(name=name)
    net = build.skeleton(model, classes=500, channels=3)
    values = {n: torch.zeros(t.shape, dtype=t.dtype) for n, t in net.module.state_dict().items()}
    kept = {n: t for n, t in values.items() if not n.startswith(f"{net.head}.")}
    drawn = build.loaded(model, classes=500, channels=3, tensors=kept, seed=3).head_layer

    assert drawn.get_parameter("weight").std().item() == pytest.approx(HEADS[name], rel=0.02)
    if name not in ("alexnet", "resnet18", "shufflenet_v2_x0_5", "googlenet", "inception_v3"):
        assert not any(value.any() for n, value in drawn.named_parameters() if n == "bias")


def test_a_head_drawn_later_is_the_head_that_torchvision_draws() -> None:
    model = Model(name="mobilenet_v2")
    generator.reseed(generator.derive(3, "head"))
    layer = nn.Linear(1280, 7)
    nn.init.normal_(layer.weight, 0, 0.01)
    state = build.fresh(model, classes=7, channels=3, seed=1).module.state_dict()
    kept = {n: t for n, t in state.items() if not n.startswith("classifier.")}

    head = build.loaded(model, classes=7, channels=3, tensors=kept, seed=3).head_layer

    assert torch.equal(head.get_parameter("weight"), layer.weight)
    assert not head.get_parameter("bias").any()


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
