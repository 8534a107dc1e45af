"""Which part of a net stays as it is while the rest trains."""

from collections.abc import Iterable
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from fttrain.models.zoo import Net

_LIGHT_FLOPS = 2e7
"""Half a millisecond of one thread. A head of MobileNetV2 in batches of 4, 61,000 of them, takes
0.65 ms of processor time a step on one thread and 1.5 on two, which mostly wait for each other."""
Policy = Literal["eval", "train", "recalibrate"]
"""What frozen BatchNorm layers do: see `train.bn` of a recipe."""


def prefix(net: Net, trained: Iterable[str], *, bn: Policy = "eval") -> int:
    """Return how many blocks, from the first on, neither train, nor draw random numbers, nor move.

    Where nothing is left of the frozen part to run ahead, that is 0. Frozen blocks drop no paths
    (stochastic depth): that is for blocks that train.
    """
    chosen = set(trained)
    tapped = {aside.after for aside in net.used_asides(chosen)}
    for index, block in enumerate(net.blocks):
        if block.name in tapped or chosen.intersection(net.names(block.parts)):
            return index
        # Dropout is on while training, also where nothing before it trains.
        inner = [module for outer in block.modules for module in outer.modules()]
        if any(isinstance(module, _DropoutNd) and module.p > 0 for module in inner):
            return index
        # What a moving layer gives depends on which images are in its batch.
        if bn == "train" and any(isinstance(module, _BatchNorm) for module in inner):
            return index
    return len(net.blocks)


def is_light(net: Net, *, prefix: int, images: int) -> bool:
    """Return whether training what comes after the prefix is too little work for two threads.

    That is where nothing but a head of layers on vectors has parameters there. `images` are those
    of a batch.
    """
    names = net.names(part for block in net.blocks[prefix:] for part in block.parts)
    own = [net.module.get_parameter(name) for name in names]
    if any(not name.startswith(f"{net.head}.") for name in names):
        return False
    if any(parameter.ndim > 2 for parameter in own):
        return False
    # Forward, and backward to weights and to what came in: each a multiplication and an addition.
    return 6 * images * sum(parameter.numel() for parameter in own) <= _LIGHT_FLOPS


def norms(
    net: Net, trained: Iterable[str], *, bn: Policy = "eval"
) -> tuple[list[nn.Module], list[nn.Module]]:
    """Return the BatchNorm layers whose statistics move, and those whose statistics stay.

    They move only where a parameter of the layer's own trains, or all of them with `bn: train`.
    """
    chosen = set(trained)
    moving: list[nn.Module] = []
    staying: list[nn.Module] = []
    for path, module in net.module.named_modules():
        if isinstance(module, _BatchNorm):
            own = {f"{path}.{name}" for name, _ in module.named_parameters(recurse=False)}
            (moving if bn == "train" or own & chosen else staying).append(module)
    return moving, staying
