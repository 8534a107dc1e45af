"""Gradients of depthwise convolutions in bf16 on processors, where torch has but slow ones.

oneDNN has fast kernels for 3 x 3 and stride 1; else it falls back to a reference that is only meant
to be right. Measured on 2 threads with avx512_bf16, 16 x 96 x 112 x 112, stride 2: the gradient
of the images takes 50 ms, in fp32 and rounded 6.5; in MobileNetV2 that is a third of a step. 5 x 5,
8 x 96 x 56 x 56: that of the weights takes 16.6 ms, in fp32 6.5. So these are computed in fp32.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable
from torch.overrides import TorchFunctionMode

_DTYPE = torch.bfloat16
_FAST_SIDE = 3


class DepthwiseGradients(TorchFunctionMode):
    """Within an autocast to bf16: gives the convolutions that torch is asked for fast gradients."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run what was asked for, or ours in its place."""
        if func is torch.conv2d and torch.is_grad_enabled() and torch.is_autocast_enabled("cpu"):
            asked = _Asked(*args, **(kwargs or {}))
            if asked.is_depthwise and (asked.has_slow_images or asked.has_slow_weight):
                return asked.run()
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A convolution, by the names that torch gives its arguments."""

    input: Tensor
    weight: Tensor
    bias: Tensor | None = None
    stride: int | Sequence[int] = 1
    padding: str | int | Sequence[int] = 0
    dilation: int | Sequence[int] = 1
    groups: int = 1

    @property
    def is_depthwise(self) -> bool:
        """True if each channel has a filter of its own."""
        has_own = tuple(self.weight.shape[:2]) == (self.groups, 1) and self.groups > 1
        # Words for a padding are left to torch: no net that is known here uses them.
        return has_own and not isinstance(self.padding, str)

    @property
    def has_slow_images(self) -> bool:
        """True if the gradient of its images is slow in bf16, and not in fp32."""
        return max(_pair(self.stride)) > 1 and _pair(self.dilation) == [1, 1]

    @property
    def has_slow_weight(self) -> bool:
        """True if the gradient of its weight is."""
        return max(self.weight.shape[2:]) > _FAST_SIDE or max(_pair(self.dilation)) > 1

    @property
    def geometry(self) -> tuple[list[int], list[int], list[int]]:
        """Stride, padding and dilation, each by height and width."""
        assert not isinstance(self.padding, str)
        return _pair(self.stride), _pair(self.padding), _pair(self.dilation)

    def run(self) -> Tensor:
        """Do as torch would, with gradients of ours."""
        bias = None if self.bias is None else self.bias.to(_DTYPE)
        made: Tensor = _Depthwise.apply(self.input.to(_DTYPE), self.weight.to(_DTYPE), bias, self)
        return made


class _Depthwise(Function):
    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        asked: _Asked,
    ) -> Tensor:
        """Convolve in bf16."""
        ctx.save_for_backward(images, weight)
        ctx.asked = asked
        return torch.conv2d(images, weight, bias, *asked.geometry, asked.groups)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Compute each gradient in the kind of numbers in which it is fast."""
        images, weight = ctx.saved_tensors
        asked: _Asked = ctx.asked
        of_images, of_weight, of_bias, _ = ctx.needs_input_grad
        is_slow = asked.has_slow_images, asked.has_slow_weight
        fast = [of_images and not is_slow[0], of_weight and not is_slow[1], of_bias]
        found = _gradients(grad, images, weight, asked, fast)
        if of_images and is_slow[0]:
            found[0] = _of_images(grad.float(), images, weight.float(), asked).to(_DTYPE)
        if of_weight and is_slow[1]:
            exact = _gradients(
                grad.float(), images.float(), weight.float(), asked, [False, True, False]
            )
            found[1] = exact[1].to(_DTYPE)
        return *found, None


def _gradients(
    grad: Tensor, images: Tensor, weight: Tensor, asked: _Asked, wanted: list[bool]
) -> list[Any]:
    """Return those of images, weight and bias that are wanted, as torch computes them."""
    if not any(wanted):
        return [None, None, None]
    stride, padding, dilation = asked.geometry
    sizes = [len(weight)] if wanted[2] else None
    return list(
        torch.ops.aten.convolution_backward(
            grad, images, weight, sizes, stride, padding, dilation, False, [0, 0],
            asked.groups, wanted,
        )
    )  # fmt: skip


def _of_images(grad: Tensor, images: Tensor, weight: Tensor, asked: _Asked) -> Tensor:
    """Return the gradient of the images: a transposed convolution, which keeps the layout."""
    stride, padding, dilation = asked.geometry
    least = [
        (side - 1) * step - 2 * pad + reach * (kernel - 1) + 1
        for side, step, pad, reach, kernel in zip(
            grad.shape[2:], stride, padding, dilation, weight.shape[2:], strict=True
        )
    ]
    beyond = [side - small for side, small in zip(images.shape[2:], least, strict=True)]
    return torch.conv_transpose2d(
        grad, weight, None, stride, padding, beyond, asked.groups, dilation
    )


def _pair(sides: int | Sequence[int]) -> list[int]:
    return [sides, sides] if isinstance(sides, int) else list(sides)
