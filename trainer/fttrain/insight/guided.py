"""Guided backpropagation: which pixels speak for a neuron, by Springenberg et al. (2015).

On the way back through a ReLU they let pass what is positive, where its input was positive. For
any activation f the rule here is: max(gradient, 0) * f'(input). Of ReLU it is theirs.

It holds where autograd knows the activation by name, called as a module or as a function: ReLU,
ReLU6, LeakyReLU, PReLU, ELU, SELU, CELU, GELU, SiLU, Mish, Hardswish, Softplus, Tanh. Sigmoid and
Hardsigmoid are gates of attention in the nets that we have and are left as they are; what a net
makes of several operations, as x * sigmoid(1.702 x), is not seen as an activation.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.nn import functional as F

from fttrain.data.decode import Pixels

_ACTIVATION = re.compile(
    r"(Relu|Hardtanh|LeakyRelu|PreluKernel|Elu|Celu|Gelu|Silu|Mish|Hardswish|Softplus|Tanh)Backward\d*"
)


_SHARE = 0.997


@dataclass(frozen=True, slots=True, kw_only=True)
class Guided:
    """What speaks for a neuron."""

    gradient: Tensor
    """Of the shape of the image."""
    activations: int
    """How many were passed on the way back."""


def back(neuron: Tensor, image: Tensor) -> Guided:
    """Return the guided gradient of a neuron, a scalar, by the image that it was computed from."""
    assert neuron.grad_fn is not None
    nodes = list(_activations(neuron.grad_fn))
    with ExitStack() as stack:
        for node in nodes:
            handle = node.register_prehook(_gate)
            stack.callback(handle.remove)
        (gradient,) = torch.autograd.grad(neuron, image)
    return Guided(gradient=gradient, activations=len(nodes))


def shaded(gradient: Tensor, *, side: int) -> tuple[Pixels, float]:
    """Return a gradient, (C, height, width), as pixels (height, width, C), and its scale.

    Grey is 0; what lies beyond the scale, up or down, a few of a thousand, is cut off. It is at
    most `side` pixels high and wide.
    """
    height, width = gradient.shape[-2:]
    by = min(1.0, side / max(height, width))
    size = (max(1, round(height * by)), max(1, round(width * by)))
    shown = F.adaptive_avg_pool2d(gradient[None], size)[0].permute(1, 2, 0).float().cpu().numpy()
    scale = float(np.quantile(np.abs(shown), _SHARE)) or float(np.abs(shown).max())
    values = np.clip(shown / max(scale, 1e-30), -1, 1)
    return np.rint(127.5 + 127.5 * values).astype(np.uint8), scale


def _gate(gradients: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    return tuple(each.clamp(min=0) if each is not None else None for each in gradients)


def _activations(last: Node) -> Iterator[Node]:
    """Yield the activations that a value was computed through, each once."""
    seen, ahead = {last}, [last]
    while ahead:
        node = ahead.pop()
        if _ACTIVATION.fullmatch(node.name()):
            yield node
        further = {each for each, _ in node.next_functions if each is not None} - seen
        seen |= further
        ahead += further
