"""Durations counted in buckets."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A histogram as it stood at one moment."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    """In each bucket for itself; the last has no upper end."""
    sum: float

    def cumulative(self) -> Iterator[tuple[str, int]]:
        """Yield upper end and number of all up to it, the last with `+Inf`."""
        total = 0
        ends = (*(repr(float(bound)) for bound in self.bounds), "+Inf")
        for end, count in zip(ends, self.counts, strict=True):
            total += count
            yield end, total


class Histogram:
    """Counts durations. For one thread."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count a duration. A clock that was set back makes it 0."""
        seconds = max(seconds, 0.0)
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def distribution(self) -> Distribution:
        """Return what was counted so far."""
        return Distribution(bounds=self._bounds, counts=tuple(self._counts), sum=self._sum)
