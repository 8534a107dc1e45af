"""How much arithmetic a net costs, counted by torch on the meta device."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fttrain.models.skimming import skimmed
from fttrain.models.zoo import Net

_IMAGES = 2  # BatchNorm wants more than one.


def per_image(net: Net, shape: tuple[int, int, int], *, prefix: int) -> float:
    """Return the floating-point operations of training on one image, (C, H, W).

    Blocks before `prefix` run forward alone; of the others the backward pass costs twice that.
    """
    net.module.train()
    seen = torch.empty((_IMAGES, *shape), device="meta")
    counts = []
    for blocks in (net.blocks[:prefix], net.blocks[prefix:]):
        with FlopCounterMode(display=False) as counter, torch.no_grad(), skimmed(net.module):
            for block in blocks:
                seen = block.run(seen)
        counts.append(counter.get_total_flops() / _IMAGES)
    ahead, trained = counts
    return float(ahead + 3 * trained)


def macs(module: nn.Module, shape: tuple[int, ...]) -> int:
    """Return the multiply-accumulates of one image's forward pass in evaluation.

    Convolutions and products of matrices count, one for each pair of numbers that is multiplied
    and added; biases, norms, activations and pooling do not.

    Args:
        module: on the meta device; it is in eval mode afterwards.
        shape: of the image, (C, H, W).
    """
    module.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad(), skimmed(module):
        module(torch.empty((1, *shape), device="meta"))
    # A multiplication and an addition are two operations.
    return int(counter.get_total_flops()) // 2
