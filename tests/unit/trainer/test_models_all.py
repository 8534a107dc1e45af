"""All classifiers of torchvision: taken apart without a difference, and trained."""

import time
from functools import partial, reduce

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from fttrain import generator, loop
from fttrain.data.stream import Batch
from fttrain.data.view import normalise
from fttrain.loop import Training
from fttrain.models import build, fit, frozen, select, sizes, zoo
from fttrain.models.zoo import Net
from fttrain.optim import groups, optimizers
from fttrain.spec import optimization
from fttrain.spec.images import Preprocess
from fttrain.spec.network import Model
from fttrain.spec.plan import GroupCard

PLAIN = Preprocess(mean=[0.5], std=[0.5])
ALL = torchvision.models.list_models(module=torchvision.models)
# Small ones of most families: these are tried whenever tests run, all others by `make test-all`.
FEW = (
    "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "mnasnet0_5", "mobilenet_v2",
    "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1",
    "swin_t",
)  # fmt: skip
REST = tuple(name for name in ALL if name not in FEW)
# Where no smaller image passes, torchvision says the same; where any does, it says nothing useful.
LEAST = {
    "alexnet": 63, "convnext": 32, "densenet": 29, "googlenet": 15, "inception": 75, "maxvit": 224,
    "squeezenet1_0": 21, "squeezenet1_1": 17, "swin": 4, "vgg": 32, "vit": 224,
}  # fmt: skip


def least(name: str) -> int:
    return next((side for begin, side in LEAST.items() if name.startswith(begin)), 1)


def skeleton(name: str) -> Net:
    return build.skeleton(Model(name=name), classes=3, channels=3)


def fresh(name: str) -> Net:
    return build.fresh(Model(name=name), classes=3, channels=3, seed=0)


def all_names(net: Net) -> list[str]:
    return [name for name, _ in net.module.named_parameters()]


# --- on the meta device -----------------------------------------------------------------------


def test_every_classifier_of_torchvision_is_known() -> None:
    assert zoo.known() == ALL
    assert len(ALL) >= 80
    print(f"{len(ALL)} classifiers of torchvision, {len(FEW)} of them tried in every run")


@pytest.mark.parametrize("name", ALL)
def test_the_blocks_hold_every_parameter_once_and_selectors_find_them(name: str) -> None:
    net = skeleton(name)
    found = partial(select.union, net, field="train.trains")
    held = [n for block in net.blocks for part in block.parts for n in net.names([part])]
    aside = [f"{one.name}.{n}" for one in net.asides for n, _ in one.module.named_parameters()]
    count = len(net.backbone)

    assert sorted(held + aside) == sorted(all_names(net))
    assert sorted(found([f"first:{count}", "head"])) == sorted(held)
    assert found([f"last:{count}"]) == found([f"first:{count}"])
    for part in net.backbone:
        assert part.loose or found([f"block:{part.name}"]) == net.names([part])


@pytest.mark.parametrize("name", ALL)
def test_with_a_trained_head_all_before_it_runs_ahead(name: str) -> None:
    net = skeleton(name)
    ahead = frozen.prefix(net, select.union(net, ["head"], "train.trains"))
    left = [part.name for block in net.blocks[ahead:] for part in block.parts]
    # Here dropout stands before layers that do not train.
    early = {"alexnet": "classifier[0]", "vgg": "classifier[2]"}
    begin = next((first for family, first in early.items() if name.startswith(family)), None)
    assert left[0] == begin if begin else not set(left) & {part.name for part in net.backbone}


@pytest.mark.parametrize("name", FEW)
def test_the_least_side_is_the_one_that_torchvision_tells(name: str) -> None:
    assert sizes.least_side(skeleton(name), channels=3, trained=[]) == least(name)


# --- for real ---------------------------------------------------------------------------------


def folded(name: str) -> None:
    net = fresh(name)
    # The auxiliary head of Inception v3 wants more; what GoogLeNet's draw, moves other dropout.
    side = 299 if name == "inception_v3" else max(least(name), 32)
    images = torch.rand(2, 3, side, side)
    for mode in (True, False):
        net.module.train(mode)
        for aside in net.asides:
            aside.module.eval()
        with torch.no_grad():
            generator.reseed(5)
            whole = net.module(images)
            generator.reseed(5)
            run = reduce(lambda x, block: block.run(x), net.blocks, images)
        assert torch.equal(whole if isinstance(whole, torch.Tensor) else whole.logits, run)


@pytest.mark.parametrize("name", FEW)
def test_the_fold_of_the_blocks_is_the_net_bit_for_bit(name: str) -> None:
    folded(name)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", REST)
def test_the_fold_of_the_blocks_of_all_others_is_the_net_bit_for_bit(name: str) -> None:
    folded(name)


def training_of(net: Net) -> Training:
    trained = all_names(net)
    card = GroupCard(name="all", tensors=0, parameters=0, lr=0.001, weight_decay=0.0, names=trained)
    table = groups.of_cards([card], net.module)
    chosen = optimization.Optimizer.model_validate({"sgd": {"lr": 0.001}})
    return Training(
        net=net,
        prefix=0,
        frozen_norms=(),
        asides=net.used_asides(trained),
        optimizer=optimizers.make(chosen, table),
        rates=lambda step: [0.001],
        momentum=lambda step: None,
        sharpness=None,
        loss=F.cross_entropy,
        preprocess=PLAIN,
        layout=torch.channels_last,
        device=torch.device("cpu"),
        chunk=2,
        accumulate=1,
        clip_value=None,
        clip_norm=1.0,
        seed=0,
    )


def trained_and_evaluated(name: str) -> int:
    """Take a step and an evaluation at the smallest size that the net allows, with a new head.

    Returns the side.
    """
    model, bare = Model(name=name), skeleton(name)
    state = build.fresh(model, classes=5, channels=3, seed=1).module.state_dict()
    fitting = fit.compare(bare, state, keep_head=False, source="a net of 5 classes")
    kept = {n: state[n] for n in fitting.loaded}
    net = build.loaded(model, classes=3, channels=3, tensors=kept, seed=0)
    side = sizes.least_side(bare, channels=3, trained=all_names(bare))
    assert side is not None
    # BatchNorm over two values, as of two images of one pixel, makes gradients without bounds.
    count = 2 if side > 64 else 8
    images = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)
    indices = np.arange(count, dtype=np.int64)
    labels = torch.from_numpy(indices % 3)
    batch = Batch(epoch=1, indices=indices, images=images, labels=labels)
    before = {n: t.detach().clone() for n, t in net.head_layer.named_parameters()}
    training = training_of(net)

    (step,) = loop.train(training, [batch], first_step=0)
    judged = loop.evaluate(training, [batch])

    assert all(not n.startswith(f"{net.head}.") for n in kept)
    assert np.isfinite(step.loss)
    assert any(not torch.equal(t, before[n]) for n, t in net.head_layer.named_parameters())
    assert (judged.count, judged.classes) == (count, 3)
    assert np.isfinite(judged.loss)
    return side


@pytest.mark.parametrize("name", FEW)
def test_a_net_takes_a_step_and_an_evaluation_with_a_new_head(name: str) -> None:
    assert trained_and_evaluated(name) == least(name)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_other_nets_take_a_step_and_an_evaluation_with_a_new_head() -> None:
    begun = time.monotonic()
    sides = {name: trained_and_evaluated(name) for name in REST}
    # Training Inception v3 with its auxiliary head takes the size that it was made for.
    assert sides == {name: least(name) for name in REST} | {"inception_v3": 299}
    took = time.monotonic() - begun
    print(f"{len(FEW) + len(sides)} of {len(ALL)} nets took a step; {took:.0f} s for the rest")
    assert len(FEW) + len(sides) == len(ALL)


# --- auxiliary heads --------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "weight"), [("googlenet", 0.3), ("inception_v3", 0.4)])
def test_auxiliary_heads_add_their_loss_by_their_weight(name: str, weight: float) -> None:
    net = fresh(name)
    for module in net.module.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    training = training_of(net)
    side = 299 if name == "inception_v3" else 32
    images = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8)
    labels, indices = torch.tensor([0, 2]), np.arange(2, dtype=np.int64)
    batch = Batch(epoch=1, indices=indices, images=images, labels=labels)
    with torch.no_grad():
        seen = normalise(images.contiguous(memory_format=torch.channels_last), PLAIN)
        outputs = net.module.train()(seen)
    asides = [getattr(outputs, field) for field in outputs._fields if field != "logits"]
    aside = sum(F.cross_entropy(logits, labels) for logits in asides)
    expected = F.cross_entropy(outputs.logits, labels) + weight * aside

    (step,) = loop.train(training, [batch], first_step=0)

    assert step.loss == pytest.approx(expected.item(), rel=1e-5)


def test_auxiliary_heads_that_do_not_train_do_not_count() -> None:
    net = skeleton("inception_v3")
    trained = select.union(net, ["head", "last:5"], "trains")
    assert net.used_asides(trained) == ()
    assert [one.name for one in net.used_asides([*trained, "AuxLogits.fc.bias"])] == ["AuxLogits"]
    assert net.blocks[frozen.prefix(net, ["AuxLogits.fc.bias"])].name == "Mixed_6e"


@pytest.mark.parametrize("with_aside", [True, False])
def test_weights_with_and_without_auxiliary_heads_fit(with_aside: bool) -> None:
    state = fresh("googlenet").module.state_dict()
    given = {n: t for n, t in state.items() if with_aside or not n.startswith("aux")}
    bare = build.skeleton(Model(name="googlenet"), classes=4, channels=3)
    replaced = ["aux1.fc2.weight", "aux1.fc2.bias", "aux2.fc2.weight", "aux2.fc2.bias"]
    left_out = [n for n in bare.module.state_dict() if n.startswith("aux")]

    found = fit.compare(bare, given, keep_head=False, source="x")

    assert found.new == [*(replaced if with_aside else left_out), "fc.weight", "fc.bias"]
    kept = {n: given[n] for n in found.loaded}
    net = build.loaded(Model(name="googlenet"), classes=4, channels=3, tensors=kept, seed=0)
    assert not any(tensor.is_meta for tensor in net.module.state_dict().values())


def test_too_small_images_name_the_least_and_the_way_out() -> None:
    inception, vit = skeleton("inception_v3"), skeleton("vit_b_32")
    assert sizes.complaint(inception, (3, 128, 100), trained=all_names(inception)) == (
        "images of 100 x 128 pixels are too small for inception_v3; it takes 299 x 299 and more, "
        "or 75 x 75 where AuxLogits does not train (`trains: [first:16, head]`)"
    )
    assert sizes.complaint(inception, (3, 128, 100), trained=["fc.bias"]) is None
    assert sizes.complaint(vit, (3, 256, 256), trained=[]) == (
        "vit_b_32 takes images of 224 x 224 pixels alone, not of 256 x 256 pixels"
    )
