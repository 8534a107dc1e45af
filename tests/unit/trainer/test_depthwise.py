"""Gradients of depthwise convolutions in bf16, in whichever way they are computed."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from fttrain.precision import Precision

plain = partial(torch.autocast, "cpu", dtype=torch.bfloat16)


def gradients(conv: nn.Conv2d, images: Tensor, cast: object) -> list[Tensor]:
    """Return what the net makes of images, and the gradients of images, weight and bias."""
    images = images.clone().requires_grad_()
    conv.zero_grad()
    with cast():  # type: ignore[operator]
        made = conv(images)
    (made.float() * torch.linspace(-1, 1, made.numel()).reshape(made.shape)).sum().backward()
    found = [images, *conv.parameters()]
    return [made.detach(), *(each.grad for each in found if each.grad is not None)]


@pytest.mark.parametrize(
    "geometry",
    [
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 0},
        {"kernel_size": 3, "stride": (1, 2), "padding": (0, 1)},
        {"kernel_size": 5, "padding": 2},
        {"kernel_size": 5, "stride": 2, "padding": 2},
        {"kernel_size": (7, 3), "padding": (3, 1)},
        {"kernel_size": 3, "padding": 2, "dilation": 2},
        {"kernel_size": 3, "stride": 2, "padding": 2, "dilation": 2},
        {"kernel_size": 2, "stride": 2},
    ],
)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sides", [(14, 14), (15, 13)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_gradients_are_those_of_torch_but_for_rounding(
    geometry: dict[str, int], bias: bool, sides: tuple[int, int], layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(8, 8, groups=8, bias=bias, **geometry).to(memory_format=layout)  # type: ignore[arg-type]
    images = torch.randn(4, 8, *sides).contiguous(memory_format=layout)

    ours = gradients(conv, images, Precision("bf16").stepping)
    torchs = gradients(conv, images, plain)

    assert torch.equal(ours[0], torchs[0])
    for mine, other in zip(ours[1:], torchs[1:], strict=True):
        assert mine.dtype is other.dtype
        assert (mine - other).norm() <= 0.01 * other.norm()


def test_no_gradient_is_further_from_the_exact_one_than_torchs() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(8, 8, 5, stride=2, padding=2, groups=8)
    images = torch.randn(4, 8, 15, 15).bfloat16().float()
    conv.weight.data = conv.weight.data.bfloat16().float()
    exact = gradients(conv, images, partial(torch.autocast, "cpu", enabled=False))

    ours, torchs = (gradients(conv, images, cast) for cast in (Precision("bf16").stepping, plain))

    for mine, other, true in zip(ours[1:], torchs[1:], exact[1:], strict=True):
        assert (mine - true).norm() <= 1.05 * (other - true).norm()


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(8, 8, 3, groups=8, padding=1),
        nn.Conv2d(8, 16, 3, stride=2),
        nn.Conv2d(8, 16, 3, groups=4, stride=2),
        nn.Conv2d(8, 8, 5, groups=8, padding="same"),
    ],
)
def test_others_are_left_to_torch_bit_for_bit(conv: nn.Conv2d) -> None:
    images = torch.randn(2, 8, 9, 9)

    ours, torchs = (gradients(conv, images, cast) for cast in (Precision("bf16").stepping, plain))

    assert all(map(torch.equal, ours, torchs))


def test_frozen_weights_have_no_gradient() -> None:
    conv = nn.Conv2d(8, 8, 3, groups=8, stride=2).requires_grad_(False)

    _, of_images = gradients(conv, torch.randn(2, 8, 9, 9), Precision("bf16").stepping)

    assert of_images.shape == (2, 8, 9, 9)


def test_fp32_is_left_alone() -> None:
    conv = nn.Conv2d(8, 8, 3, groups=8, stride=2)

    ours = gradients(conv, torch.ones(2, 8, 9, 9), Precision("fp32").stepping)

    assert ours[0].dtype is torch.float32
