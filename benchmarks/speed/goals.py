"""The rows of the table: what is compared, and what it should come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.speed.contests import ALONE, CACHED, FP32, OURS

Measure = Literal["whole", "epoch", "second epoch", "rate", "start", "memory"]
Rivals = Literal["quick starts", "tuned", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One row: who is compared with us, in which measure, and what the ratio should be."""

    what: str
    contest: str
    measure: Measure
    rivals: Rivals | Sequence[str] = "quick starts"
    """The best of these counts."""
    ours: str = OURS
    bound: float | None = None
    """The goal. None: the row stands beside others."""
    stretch: float | None = None
    is_at_most: bool = False
    """The ratio is ours / theirs and has an upper bound; else it is theirs / ours."""

    @property
    def text(self) -> str:
        """The goal in words."""
        if self.bound is None:
            return ""
        sign = "≤" if self.is_at_most else "≥"
        more = f" (stretch {self.stretch:g})" if self.stretch else ""
        return f"{sign} {self.bound:g}{more}"

    def holds(self, ratio: float) -> bool:
        """Return whether a ratio reaches the goal."""
        if self.bound is None:
            return True
        return ratio <= self.bound if self.is_at_most else ratio >= self.bound


GOALS: Mapping[str, Goal] = {
    "frozen-cold": Goal(
        what="frozen MobileNetV2, as it is, 25 epochs, nothing cached",
        contest="frozen", measure="whole", bound=30, stretch=45,
    ),
    "frozen-cached": Goal(
        what="the same, cached by an earlier job",
        contest="frozen", measure="whole", ours=CACHED, bound=100,
    ),
    "frozen-flip": Goal(
        what="frozen, horizontal flip, 25 epochs",
        contest="frozen-flip", measure="whole", bound=20,
    ),
    "frozen-crop": Goal(
        what="frozen, random resized crop, 25 epochs",
        contest="frozen-crop", measure="whole", bound=2,
    ),
    "full": Goal(
        what="all trains, an epoch; best quick start",
        contest="full", measure="epoch", bound=2, stretch=2.25,
    ),
    "full-tuned": Goal(
        what="all trains, an epoch; best tuned peer",
        contest="full", measure="epoch", rivals="tuned", bound=1.1,
    ),
    "full-fp32": Goal(
        what="all trains, an epoch, ours in strict fp32; best quick start",
        contest="full", measure="epoch", ours=FP32, bound=1.25,
    ),
    "blocks": Goal(
        what="first five blocks frozen, an epoch; best quick start",
        contest="blocks", measure="epoch", bound=3,
    ),
    "loader": Goal(
        what="CIFAR's JPEG files, crop and flip, loader alone",
        contest="loader", measure="rate", rivals="all", bound=10,
    ),
    "rn16": Goal(
        what="RN-16 on them, an epoch", contest="rn16", measure="epoch", bound=2.2
    ),
    "large": Goal(
        what="photos of 12 MP, frozen, as they are, second epoch",
        contest="large", measure="second epoch", bound=10,
    ),
    "large-full": Goal(
        what="photos of 12 MP, all trains, flip, second epoch",
        contest="large-full", measure="second epoch", bound=10,
    ),
    "start": Goal(
        what="script cold, ours warm: first step, all trains, batch 8",
        contest="start", measure="start", bound=5,
    ),
    "start-cached": Goal(
        what="script cold, ours warm: first step, frozen, cached",
        contest="start-frozen", measure="start", ours=CACHED, bound=12,
    ),
    "daemon": Goal(
        what="a later epoch under the daemon / by the engine alone",
        contest="daemon", measure="second epoch", rivals=(ALONE,), ours=FP32, bound=1.01,
        is_at_most=True,
    ),
    "memory": Goal(
        what="memory, all trains / the tutorial's, 2 workers",
        contest="memory", measure="memory", rivals=("tutorial, 2 workers",), bound=0.8,
        is_at_most=True,
    ),
    "cars-frozen": Goal(
        what="cars: frozen, as it is, 25 epochs, nothing cached",
        contest="cars-frozen", measure="whole",
    ),
    "cars-full": Goal(
        what="cars: all trains, an epoch", contest="cars-full", measure="epoch"
    ),
    "flowers5-frozen": Goal(
        what="flowers5: frozen, as it is, 25 epochs, nothing cached",
        contest="flowers5-frozen", measure="whole",
    ),
    "flowers5-full": Goal(
        what="flowers5: all trains, an epoch", contest="flowers5-full", measure="epoch"
    ),
}  # fmt: skip
