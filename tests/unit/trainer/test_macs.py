"""How much arithmetic a net is, against formulas written out and what torchvision publishes."""

import pytest
import torch
import torchvision
from torch import nn

from fttrain.models import build, work
from fttrain.models.known import published
from fttrain.spec.network import Model


def of_net(model: Model, side: int, *, classes: int) -> tuple[int, int]:
    """Return multiply-accumulates and parameters."""
    module = build.skeleton(model, classes=classes, channels=3).module
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return work.macs(module, (3, side, side)), parameters


@pytest.mark.parametrize("side", [32, 64])
def test_five_blocks_and_a_head_are_what_their_formulas_say(side: int) -> None:
    widths = [8, 16, 16, 32, 64]
    model = Model.model_validate({"cnn": {"channels": widths, "pool": 3}})

    multiplied, parameters = of_net(model, side, classes=10)

    expected_macs, expected_parameters, before, at = 0, 0, 3, side
    for place, width in enumerate(widths):
        # k² c_in c_out for each of h x w places; padding keeps these, pooling halves them after.
        expected_macs += 3 * 3 * before * width * at * at
        # No bias: BatchNorm has a scale and a shift.
        expected_parameters += 3 * 3 * before * width + 2 * width
        at = at // 2 if place < 3 else at
        before = width
    assert multiplied == expected_macs + 64 * 10
    assert parameters == expected_parameters + 64 * 10 + 10


def test_five_convolutions_with_dense_layers_count_all_five_and_see_the_pooling() -> None:
    """S4's best net: its report left pooling and a convolution out, and h w m for the dense one."""
    widths, layers, before = [16, 32, 64, 128, 256], [], 3
    for width in widths:
        layers += [nn.Conv2d(before, width, 3), nn.BatchNorm2d(width), nn.GELU(), nn.MaxPool2d(2)]
        before = width
    module = nn.Sequential(*layers, nn.Flatten(), nn.Linear(6400, 256), nn.Linear(256, 10))

    multiplied = work.macs(module.to("meta"), (3, 224, 224))

    assert multiplied == (
        222**2 * 9 * 3 * 16
        + 109**2 * 9 * 16 * 32
        + 52**2 * 9 * 32 * 64
        + 24**2 * 9 * 64 * 128
        + 10**2 * 9 * 128 * 256
        + 5 * 5 * 256 * 256
        + 256 * 10
    )
    assert sum(parameter.numel() for parameter in module.parameters()) == 2_034_826
    assert round(multiplied / 1e6, 1) == 199.5


def test_a_depthwise_convolution_costs_one_group_s_share() -> None:
    module = nn.Conv2d(32, 32, 3, padding=1, groups=32).to("meta")
    assert work.macs(module, (32, 14, 14)) == 14 * 14 * 9 * 32


@pytest.mark.parametrize(
    "name", ["alexnet", "densenet121", "googlenet", "inception_v3", "mobilenet_v2", "resnet18",
             "resnet50", "regnet_y_400mf", "shufflenet_v2_x1_0", "swin_t", "vgg11", "vit_b_16"],
)  # fmt: skip
def test_published_nets_cost_what_is_published_of_them(name: str) -> None:
    first = published(name)[0]
    meta = torchvision.models.get_model_weights(name)[first.member].meta
    assert first.preprocess.crop is not None

    multiplied, _ = of_net(Model(name=name), first.preprocess.crop, classes=1000)

    assert multiplied / 1e9 == pytest.approx(meta["_ops"], abs=5.1e-4)


def test_counting_needs_no_memory() -> None:
    module = nn.Linear(2**20, 2**20, device="meta")
    assert work.macs(module, (2**20,)) == 2**40
    assert next(module.parameters()).device == torch.device("meta")
