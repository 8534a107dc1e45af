"""What is minimised: `loss(logits, target)`, a mean over the images.

A target is a class index per image, (N,) int64, or a probability per class, (N, C) float32.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from fttrain.spec import losses

Loss = Callable[[Tensor, Tensor], Tensor]


def make(chosen: losses.Loss, class_weights: Sequence[float], device: torch.device) -> Loss:
    """Build a loss; no class weights: all classes count alike."""
    weights = torch.tensor(class_weights, device=device) if class_weights else None
    options: Any = chosen.value
    if isinstance(options, losses.Focal):
        return partial(_focal, gamma=options.gamma, alpha=weights)
    smoothing = options.label_smoothing
    if isinstance(options, losses.Bce):
        return partial(_bce, smoothing=smoothing, pos_weight=weights)
    return partial(F.cross_entropy, weight=weights, label_smoothing=smoothing)


def _focal(logits: Tensor, target: Tensor, *, gamma: float, alpha: Tensor | None) -> Tensor:
    log_p = F.log_softmax(logits, 1)
    # expm1 is exact where p is all but 1; the limit keeps the slope finite for gamma below 1.
    terms = -((-torch.expm1(log_p)).clamp(min=1e-12) ** gamma) * log_p
    if alpha is not None:
        terms = alpha * terms
    return (_probabilities(logits, target) * terms).sum(1).mean()


def _bce(logits: Tensor, target: Tensor, *, smoothing: float, pos_weight: Tensor | None) -> Tensor:
    wanted = (1 - smoothing) * _probabilities(logits, target) + smoothing / logits.shape[1]
    return F.binary_cross_entropy_with_logits(logits, wanted, pos_weight=pos_weight)


def _probabilities(logits: Tensor, target: Tensor) -> Tensor:
    """Return the target as a probability per class, (N, C)."""
    if target.ndim == 1:
        target = F.one_hot(target, logits.shape[1])
    return target.to(logits.dtype)
