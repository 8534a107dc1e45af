"""Which part of a net stays as it is while the rest trains."""

from collections.abc import Iterable
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from fttrain.models.zoo import Net

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
