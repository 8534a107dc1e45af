"""Scores: sums over images, turned into loss and accuracy with its interval."""

import math
from dataclasses import dataclass

from fttrain.events import Score

# The 97.5 % quantile of the normal distribution.
_Z = 1.959963984540054


@dataclass(slots=True, kw_only=True)
class Tally:
    """Sums over the images seen so far."""

    loss_sum: float = 0.0
    correct: int = 0
    count: int = 0

    def add(self, *, loss_sum: float, correct: int, count: int) -> None:
        """Count some more images."""
        self.loss_sum += loss_sum
        self.correct += correct
        self.count += count

    @property
    def loss(self) -> float:
        """Mean loss per image."""
        return self.loss_sum / self.count

    @property
    def accuracy(self) -> float:
        """Share of images put into their class."""
        return self.correct / self.count

    def score(self) -> Score:
        """Return the score of at least one image."""
        low, high = wilson(self.correct, self.count)
        return Score(
            loss=self.loss,
            accuracy=self.accuracy,
            correct=self.correct,
            count=self.count,
            accuracy_low=low,
            accuracy_high=high,
        )


def wilson(correct: int, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share: where the true accuracy may lie."""
    share, square = correct / count, _Z**2
    middle = share + square / (2 * count)
    spread = _Z * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    scale = 1 + square / count
    # At the ends of the range the formula is exact but for rounding.
    low, high = (middle - spread) / scale, (middle + spread) / scale
    return max(0.0, min(low, share)), min(1.0, max(high, share))
