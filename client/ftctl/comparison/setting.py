"""One setting in which runs differ."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """What a difference means for a comparison."""

    COUNTS = "counts"
    """It may be the cause of what came of it."""
    SEED = "seed"
    """Chance: runs that differ in it alone repeat one another."""
    FOLLOWS = "follows"
    """It comes with another setting that differs."""
    IDLE = "idle"
    """It changes no result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One that differs between runs."""

    path: str
    """Its field path, such as `train.optimizer.lr`."""
    values: tuple[Any, ...]
    """One per run, as the recipe has it; None where it has none."""
    shown: tuple[str, ...]
    """The same in a few words."""
    role: Role = Role.COUNTS
    weight: int = 1
    """As how many settings it counts: a list of augmentations as those that were added."""
