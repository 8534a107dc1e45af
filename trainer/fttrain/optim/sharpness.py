"""Sharpness-aware minimisation (Foret et al., 2021; ASAM: Kwon et al., 2021).

The step takes the gradient of w + e(w), the worst point near w. It is no optimizer: it moves the
weights away and back, and leaves the gradient there to whichever optimizer. Nothing of it outlives
a step, so that a checkpoint need not know of it.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

_TINY = 1e-12  # Keeps a gradient of nothing from dividing by nothing.


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharpness:
    """How far the worst point may be away."""

    rho: float
    adaptive: bool
    """Measure distance relative to the size of each weight."""

    @contextlib.contextmanager
    def worst_point(self, net: nn.Module, trained: Sequence[nn.Parameter]) -> Iterator[None]:
        """Be where the gradients point to, without any; meanwhile no running statistic moves.

        Whatever the scale of the gradients (of a loss scaler, say), the point is the same.
        """
        moving = [p for p in trained if p.grad is not None]
        home = [p.detach().clone() for p in moving]
        with torch.no_grad():
            for parameter, away in zip(moving, self._offsets(moving), strict=True):
                parameter.add_(away)
                parameter.grad = None
        try:
            with _still_statistics(net):
                yield
        finally:
            with torch.no_grad():
                for parameter, was in zip(moving, home, strict=True):
                    parameter.copy_(was)

    def _offsets(self, moving: Sequence[nn.Parameter]) -> list[Tensor]:
        gradients = [p.grad for p in moving if p.grad is not None]
        if self.adaptive:
            sizes = [p.detach().abs() for p in moving]
            gradients = [g * size for g, size in zip(gradients, sizes, strict=True)]
        norm = torch.stack([torch.linalg.vector_norm(g) for g in gradients]).norm()
        if not torch.isfinite(norm):
            # Half precision has overflowed, its scaler is about to leave the step out.
            return [torch.zeros_like(p) for p in moving]
        scale = self.rho / (norm + _TINY)
        if self.adaptive:
            gradients = [g * size for g, size in zip(gradients, sizes, strict=True)]
        return [g * scale for g in gradients]


@contextlib.contextmanager
def _still_statistics(net: nn.Module) -> Iterator[None]:
    """Have layers normalise by their batch as they did, and forget it."""
    norms: list[Any] = [
        module
        for module in net.modules()
        if isinstance(module, _NormBase) and module.training and module.track_running_stats
    ]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
