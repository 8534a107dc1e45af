"""Normalisation layers: which they are, and running statistics of BatchNorm, taken anew."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

KNOWN = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
"""What torchvision's references take for normalisation, and RMSNorm, which came later."""


def is_norm(module: nn.Module) -> bool:
    """Return whether a module normalises and has parameters of its own to do it with.

    timm has layers that inherit from none of torch's: they are known by their names.
    """
    if isinstance(module, KNOWN):
        return next(module.parameters(recurse=False), None) is not None
    own, whole = (len(list(module.parameters(recurse=deep))) for deep in (False, True))
    return "Norm" in type(module).__name__ and own == whole > 0


@contextmanager
def measuring(net: nn.Module) -> Iterator[None]:
    """Have BatchNorm forget its statistics and take the mean over what passes through meanwhile.

    Each batch counts alike, as in `torch.optim.swa_utils.update_bn`. All else is in eval mode.
    """
    net.eval()
    momenta = {layer: layer.momentum for layer in _layers(net)}
    for layer in momenta:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    try:
        yield
    finally:
        for layer, momentum in momenta.items():
            layer.momentum = momentum
            layer.eval()


@contextmanager
def restoring(net: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Put all statistics back afterwards; yield what they are until then, by name."""
    buffers = dict(net.named_buffers())
    names = buffer_names(net)
    before = {name: buffers[name].clone() for name in names}
    try:
        yield before
    finally:
        for name in names:
            buffers[name].copy_(before[name])


def buffer_names(net: nn.Module) -> set[str]:
    """Return the names of all statistics of BatchNorm."""
    layers = set(_layers(net))
    return {
        f"{path}.{name}" if path else name
        for path, module in net.named_modules()
        if module in layers
        for name, _ in module.named_buffers(recurse=False)
    }


def _layers(net: nn.Module) -> list[_BatchNorm]:
    return [
        module
        for module in net.modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    ]
