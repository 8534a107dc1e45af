"""How much arithmetic a net costs, counted by torch on the meta device."""

import torch
from torch.utils.flop_counter import FlopCounterMode

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
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            for block in blocks:
                seen = block.run(seen)
        counts.append(counter.get_total_flops() / _IMAGES)
    ahead, trained = counts
    return float(ahead + 3 * trained)
