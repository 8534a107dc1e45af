"""Two nets of one architecture, layer by layer: how alike their parameters and features are."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fttrain.insight import layers, likeness
from fttrain.models.zoo import Net

MOST_BYTES = 256 * 2**20
"""Of features that are held at a time: what goes beyond is computed in another pass."""
Features = NDArray[np.float32]
_SEEN = (nn.Conv2d, nn.Linear, _BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.MultiheadAttention)
"""Layers whose features are compared; others are made of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """A layer of both nets. What cannot be said is None."""

    name: str
    type: str
    parameters: int
    """Of the first net."""
    bias_cosine: float | None
    weight_cosine: float | None
    relative_l2: float | None
    """Of all parameters of the layer."""
    cka: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the nets, in eval mode, and its images: prepared, the same ones in each pass."""

    net: Net
    batches: Callable[[], Iterable[Tensor]]

    def layers(self) -> dict[str, nn.Module]:
        """Return the modules with parameters of their own, in the net's order."""
        return {
            name: module
            for name, module in self.net.module.named_modules()
            if next(module.parameters(recurse=False), None) is not None
        }


def shared(first: Side, second: Side) -> list[str]:
    """Return the names of the layers that both have."""
    theirs = second.layers()
    return [name for name in first.layers() if name in theirs]


def weights(first: Side, second: Side) -> Iterator[Alike]:
    """Yield what can be said of the parameters alone."""
    ours, theirs = first.layers(), second.layers()
    for name in shared(first, second):
        yield _weights(name, ours[name], theirs[name])


def features(first: Side, second: Side, images: int) -> dict[str, float | None]:
    """Return linear CKA of the layers that run, by name.

    A layer's features are its outputs, averaged over positions where it has them: (N, channels).
    """
    named = first.layers(), second.layers()
    names = [name for name in shared(first, second) if isinstance(named[0][name], _SEEN)]
    widths = [_widths(side, names) for side in (first, second)]
    names = [name for name in names if all(name in width for width in widths)]
    found: dict[str, float | None] = {}
    for group in _groups(names, [sum(w[name] for w in widths) * images * 4 for name in names]):
        ours, theirs = (_collected(side, group) for side in (first, second))
        found |= {name: likeness.cka(ours[name], theirs[name]) for name in group}
    return found


# --- parameters -------------------------------------------------------------------------------


def _weights(name: str, ours: nn.Module, theirs: nn.Module) -> Alike:
    first, second = _own(ours), _own(theirs)
    shapes = [{key: value.shape for key, value in each.items()} for each in (first, second)]
    is_alike = shapes[0] == shapes[1]
    biases = [key for key in first if key.endswith("bias")] if is_alike else []
    others = [key for key in first if not key.endswith("bias")] if is_alike else []
    return Alike(
        name=name,
        type=type(ours).__name__,
        parameters=sum(value.size for value in first.values()),
        bias_cosine=likeness.cosine(_joined(first, biases), _joined(second, biases)),
        weight_cosine=likeness.cosine(_joined(first, others), _joined(second, others)),
        relative_l2=likeness.relative_l2(
            _joined(first, biases + others), _joined(second, biases + others)
        ),
    )


def _own(module: nn.Module) -> dict[str, Features]:
    return {
        name: parameter.detach().float().cpu().numpy()
        for name, parameter in module.named_parameters(recurse=False)
    }


def _joined(values: Mapping[str, Features], keys: Sequence[str]) -> Features:
    parts = [values[key].ravel() for key in keys]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


# --- features ---------------------------------------------------------------------------------


def _widths(side: Side, names: Sequence[str]) -> dict[str, int]:
    """Return how many channels each layer has that runs."""
    (first, *_) = side.batches()
    return {name: made.shape[1] for name, made in _run(side, names, [first[:1]]).items()}


def _groups(names: Sequence[str], sizes: Sequence[int]) -> Iterator[list[str]]:
    group: list[str] = []
    held = 0
    for name, size in zip(names, sizes, strict=True):
        if group and held + size > MOST_BYTES:
            yield group
            group, held = [], 0
        group.append(name)
        held += size
    if group:
        yield group


def _collected(side: Side, names: Sequence[str]) -> dict[str, Features]:
    return _run(side, names, side.batches())


def _run(side: Side, names: Sequence[str], batches: Iterable[Tensor]) -> dict[str, Features]:
    known = side.layers()
    parts: dict[str, list[Features]] = {}
    batch: dict[str, Features] = {}

    def tell(name: str, module: nn.Module, _given: Tensor, made: Tensor) -> None:
        # A layer that runs twice is taken as it runs first.
        batch.setdefault(name, averaged(module, made).float().cpu().numpy())

    with torch.inference_mode(), layers.heard([(name, known[name]) for name in names], tell):
        for images in batches:
            layers.forward(side.net, images)
            for name, made in batch.items():
                parts.setdefault(name, []).append(made)
            batch.clear()
    return {name: np.concatenate(made) for name, made in parts.items()}


def averaged(module: nn.Module, made: Tensor) -> Tensor:
    """Return what a layer gives, (N, channels), as the mean over its positions."""
    if made.ndim <= 2:
        return made.reshape(len(made), -1)
    # Linear layers, attention and torch's own LayerNorm have channels last.
    plane = isinstance(module, (nn.Conv2d, _BatchNorm, nn.GroupNorm)) or "2d" in str(type(module))
    return made.flatten(2).mean(2) if plane else made.flatten(1, -2).mean(1)
