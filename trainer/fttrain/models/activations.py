"""What a step keeps of its forward pass for its backward pass."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from fttrain.models.skimming import skimmed
from fttrain.models.zoo import Net


def saved_bytes(
    net: Net,
    shape: tuple[int, ...],
    *,
    prefix: int,
    trained: Iterable[str],
    staying: Iterable[nn.Module],
) -> int:
    """Return the bytes that autograd saves of one batch, counted by autograd on the meta device.

    Args:
        net: on the meta device.
        shape: of the batch, (N, C, H, W).
        prefix: so many blocks run ahead and save nothing.
        trained: the names of the parameters that train.
        staying: BatchNorm layers in eval mode, which take even a batch of one.
    """
    chosen = set(trained)
    for name, parameter in net.module.named_parameters():
        parameter.requires_grad_(name in chosen)
    own = {parameter.untyped_storage()._cdata for parameter in net.module.parameters()}
    saved: dict[int, tuple[Tensor, int]] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            saved[storage._cdata] = (tensor, storage.nbytes())  # held: no other may take its place
        return tensor

    asides, seen_aside = net.used_asides(chosen), []
    net.module.train()
    for norm in staying:
        norm.eval()
    seen = torch.empty(shape, device="meta")
    with torch.no_grad(), skimmed(net.module):
        for block in net.blocks[:prefix]:
            seen = block.run(seen)
    with saved_tensors_hooks(keep, _unchanged):
        for block in net.blocks[prefix:]:
            seen = block.run(seen)
            seen_aside += [aside.module(seen) for aside in asides if aside.after == block.name]
    return sum(size for _, size in saved.values())


def _unchanged(saved: Any) -> Any:
    return saved
