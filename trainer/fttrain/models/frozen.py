"""Which part of a net stays as it is while the rest trains."""

from collections.abc import Iterable

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from fttrain.models.zoo import Net


def prefix(net: Net, trained: Iterable[str]) -> int:
    """Return how many blocks, from the first on, neither train nor draw random numbers.

    Where nothing is left of the frozen part to run ahead, that is 0.
    """
    parameters = dict(net.module.named_parameters())
    chosen = {id(parameters[name]) for name in trained}
    for index, block in enumerate(net.blocks):
        modules = list(block.module.modules()) if block.module is not None else []
        own = [parameter for module in modules for parameter in module.parameters(recurse=False)]
        if any(id(parameter) in chosen for parameter in own):
            return index
        # Dropout is on while training, also where nothing before it trains.
        if any(isinstance(module, _DropoutNd) and module.p > 0 for module in modules):
            return index
    return len(net.blocks)


def norms(net: Net, trained: Iterable[str]) -> tuple[list[nn.Module], list[nn.Module]]:
    """Return the BatchNorm layers whose statistics move, and those whose statistics stay.

    They move only where a parameter of the layer's own trains.
    """
    chosen = set(trained)
    moving: list[nn.Module] = []
    staying: list[nn.Module] = []
    for path, module in net.module.named_modules():
        if isinstance(module, _BatchNorm):
            own = {f"{path}.{name}" for name, _ in module.named_parameters(recurse=False)}
            (moving if own & chosen else staying).append(module)
    return moving, staying
