"""From samples to the figures of a row: medians, spreads, ratio, accuracy. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from benchmarks.speed.contests import CONTESTS, QUICK_STARTS, Peer
from benchmarks.speed.goals import Goal, Measure
from benchmarks.speed.samples import Kept, Sample
from fttrain.score import wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Some figures of the same thing."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Self:
        """Return the spread of at least one."""
        return cls(median=statistics.median(figures), least=min(figures), most=max(figures))

    def over(self, other: "Spread") -> "Spread":
        """Return the ratio of the medians, and how far it could go within both spreads."""
        return Spread(
            median=self.median / other.median,
            least=self.least / other.most,
            most=self.most / other.least,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Best validation so far of both, after as many epochs: the fewest that either had."""

    epochs: int
    theirs: int
    ours: int
    count: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % of theirs."""
        return wilson(self.theirs, self.count)

    @property
    def is_as_good(self) -> bool:
        """True where ours is not below that."""
        return self.ours / self.count >= self.interval[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What a row came to."""

    goal: Goal
    rival: str
    theirs: Spread
    ours: Spread
    precision: str
    """Ours."""
    ratio: Spread
    is_extrapolated: bool
    """Theirs is, from fewer epochs."""
    runs: int
    accuracy: Accuracy | None
    images: int
    count: int

    @property
    def holds(self) -> bool:
        """True where the goal is reached, and accuracy is not worse."""
        return self.goal.holds(self.ratio.median) and (
            self.accuracy is None or self.accuracy.is_as_good
        )


def figure(kept: Kept, goal: Goal) -> Figure | None:
    """Return the figures of a row; None while either side has none."""
    rivals = [each for each in _rivals(kept, goal) if kept.of(goal.contest, each)]
    ours = kept.of(goal.contest, goal.ours)
    if not rivals or not ours:
        return None
    rival = min(rivals, key=lambda each: _spread(kept, goal, each).median)
    theirs, mine = _spread(kept, goal, rival), _spread(kept, goal, goal.ours)
    samples, epochs = kept.of(goal.contest, rival), CONTESTS[goal.contest].work.epochs
    return Figure(
        goal=goal, rival=rival, theirs=theirs, ours=mine, precision=ours[0].precision,
        ratio=mine.over(theirs) if goal.is_at_most else theirs.over(mine),
        is_extrapolated=goal.measure == "whole" and len(samples[0].epochs_s) < epochs,
        runs=min(len(samples), len(ours)), accuracy=accuracy(samples, ours),
        images=ours[0].images, count=ours[0].count,
    )  # fmt: skip


def accuracy(theirs: Sequence[Sample], ours: Sequence[Sample]) -> Accuracy | None:
    """Compare the medians over the runs; None where nothing was validated."""
    epochs = min(len(sample.correct) for sample in (*theirs, *ours))
    if epochs == 0:
        return None
    right = [
        statistics.median_low([sample.best(epochs) for sample in samples])
        for samples in (theirs, ours)
    ]
    return Accuracy(epochs=epochs, theirs=right[0], ours=right[1], count=ours[0].count)


def values(samples: Sequence[Sample], measure: Measure, epochs: int) -> list[float]:
    """Return what is compared, of each run; of starts each one."""
    match measure:
        case "whole":
            return [sample.whole_of(epochs) for sample in samples]
        case "epoch":
            return [second for sample in samples for second in sample.epochs_s]
        case "second epoch":
            return [second for sample in samples for second in sample.epochs_s[1:]]
        case "rate":
            return [second / sample.images for sample in samples for second in sample.epochs_s]
        case "start":
            return [second for sample in samples for second in sample.epochs_s]
        case "memory":
            return [sample.peak_mb for sample in samples]


def _spread(kept: Kept, goal: Goal, contestant: str) -> Spread:
    samples = kept.of(goal.contest, contestant)
    return Spread.of(values(samples, goal.measure, CONTESTS[goal.contest].work.epochs))


def _rivals(kept: Kept, goal: Goal) -> Sequence[str]:
    turns = CONTESTS[goal.contest].turns
    peers = {name: turn for name, turn in turns.items() if isinstance(turn, Peer)}
    match goal.rivals:
        case "quick starts":
            return [name for name in turns if name in QUICK_STARTS]
        case "tuned":
            tuned = [name for name, turn in peers.items() if turn.is_tuned]
            most = max((len(kept.of(goal.contest, name)) for name in tuned), default=0)
            # Of each peer only the best worker count has had all its turns.
            return [name for name in tuned if len(kept.of(goal.contest, name)) == most]
        case "all":
            return list(peers)
    return goal.rivals
