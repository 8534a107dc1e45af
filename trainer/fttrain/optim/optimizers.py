"""What turns gradients into steps."""

from collections.abc import Sequence
from typing import Any

from torch.optim import SGD, Adam, AdamW, NAdam, Optimizer, RAdam, RMSprop

from fttrain.optim.groups import TrainedGroup
from fttrain.spec import optimization

_KINDS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "nadam": NAdam,
    "radam": RAdam,
    "rmsprop": RMSprop,
}


def make(chosen: optimization.Optimizer, table: Sequence[TrainedGroup]) -> Optimizer:
    """Build what makes the step; its groups stand in the order of the group table."""
    tables: list[dict[str, Any]] = [
        {
            "params": list(group.parameters.values()),
            "lr": group.lr,
            "weight_decay": group.weight_decay,
        }
        for group in table
    ]
    options: dict[str, Any] = dict(chosen.plain.value)
    own = {name: options[name] for name in options if name not in ("lr", "weight_decay")}
    # foreach: one call per group instead of one per tensor and operation.
    return _KINDS[chosen.plain.kind](tables, **own, foreach=True)  # type: ignore[call-arg]


def carry(before: Optimizer, after: Optimizer) -> None:
    """Have an optimizer go on with what another one of its kind knows of the same parameters."""
    for table in after.param_groups:
        for parameter in table["params"]:
            if parameter in before.state:
                after.state[parameter] = before.state[parameter]


def set_pace(optimizer: Optimizer, lrs: Sequence[float], momentum: float | None) -> None:
    """Set each group's learning rate and, where it is given, the momentum (beta1) of all."""
    for table, lr in zip(optimizer.param_groups, lrs, strict=True):
        table["lr"] = lr
        if momentum is not None and "betas" in table:
            table["betas"] = (momentum, *table["betas"][1:])
        elif momentum is not None:
            table["momentum"] = momentum
