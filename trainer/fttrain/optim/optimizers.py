"""What turns gradients into steps."""

from collections.abc import Sequence
from typing import Any

from torch.optim import SGD, AdamW, Optimizer

from fttrain.optim.groups import TrainedGroup
from fttrain.spec import optimization


def make(chosen: optimization.Optimizer, table: Sequence[TrainedGroup]) -> Optimizer:
    """Build the optimizer; its groups stand in the order of the group table."""
    tables: list[dict[str, Any]] = [
        {
            "params": list(group.parameters.values()),
            "lr": group.lr,
            "weight_decay": group.weight_decay,
        }
        for group in table
    ]
    options = chosen.value
    # foreach: one call per group instead of one per tensor and operation.
    if isinstance(options, optimization.Sgd):
        return SGD(
            tables,
            lr=options.lr,
            momentum=options.momentum,
            nesterov=options.nesterov,
            foreach=True,
        )
    assert isinstance(options, optimization.AdamW)
    return AdamW(tables, lr=options.lr, betas=options.betas, eps=options.eps, foreach=True)
