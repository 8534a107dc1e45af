"""What few numbers can tell: intervals of shares, tests of pairs, noise of curves.

Pure functions on plain numbers. The formulas stand in docs/comparing.md.
"""

import math
from collections.abc import Sequence
from statistics import median

Z95 = 1.959963984540054
"""The standard normal's 97.5 % quantile."""
# The median distance of a normal number from its mean is its deviation divided by this.
_NORMAL_MEDIAN = 1.482602218505602
LEAST_DISTANCES = 3
"""Fewer tell nothing of noise."""


def wilson(correct: int, count: int, *, z: float = Z95) -> tuple[float, float]:
    """Return the Wilson interval of a share, 95 % where z is not given.

    Raises:
        ValueError: without 0 <= correct <= count and 0 < count.
    """
    if count <= 0 or not 0 <= correct <= count:
        raise ValueError(f"{correct} of {count} is no share")
    share = correct / count
    denominator = 1 + z * z / count
    middle = (share + z * z / (2 * count)) / denominator
    spread = share * (1 - share) / count + z * z / (4 * count * count)
    half = z / denominator * math.sqrt(spread)
    # By the formula the ends are exact here; by floating point they miss by a hair.
    low = 0.0 if correct == 0 else middle - half
    high = 1.0 if correct == count else middle + half
    return low, high


def mcnemar(first: int, second: int) -> float:
    """Return the two-sided exact p of McNemar's test.

    Of the pairs that differ, `first` fell to one side and `second` to the other; were both sides
    alike, each would fall to either with 1/2. The p is the probability of a split as uneven as
    this one or more. 1 where none differ.
    """
    _check_pairs(first, second)
    return min(1.0, 2 * _tail(min(first, second), first + second))


def mcnemar_mid_p(first: int, second: int) -> float:
    """Return the two-sided mid-p of McNemar's test: less strict than the exact one, which errs on
    the safe side; the split that was seen counts half."""
    _check_pairs(first, second)
    pairs, fewer = first + second, min(first, second)
    if first == second:
        # Both tails hold the middle.
        return 1.0 - (_point(fewer, pairs) / 2 if pairs else 0.0)
    return min(1.0, 2 * _tail(fewer, pairs) - _point(fewer, pairs))


def holm(values: Sequence[float]) -> list[float]:
    """Return p values adjusted by Holm for that there are several of them, in the same order."""
    order = sorted(range(len(values)), key=lambda index: values[index])
    adjusted = [0.0] * len(values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = highest
    return adjusted


def noise(losses: Sequence[float]) -> float | None:
    """Return how much a loss jumps from epoch to epoch, as a standard deviation.

    The distance of each epoch from the mean of its two neighbours is 0 on a straight course; on
    noise of deviation s its deviation is s times the root of 3/2. The median of the distances
    stands for it, so that the steep beginning of a course does not count as noise. None below five
    epochs, or where a loss is no number.
    """
    distances = [
        abs(here - (before + after) / 2)
        for before, here, after in zip(losses, losses[1:], losses[2:], strict=False)
    ]
    if len(distances) < LEAST_DISTANCES or not all(map(math.isfinite, distances)):
        return None
    return _NORMAL_MEDIAN * math.sqrt(2 / 3) * median(distances)


def _check_pairs(first: int, second: int) -> None:
    if first < 0 or second < 0:
        raise ValueError(f"{first} and {second} are no numbers of pairs")


def _tail(most: int, pairs: int) -> float:
    """Return how likely it is that at most so many of the pairs fall to one side."""
    # Whole numbers until the division: exact for any number of pairs.
    ways, total = 1, 0
    for chosen in range(most + 1):
        total += ways
        ways = ways * (pairs - chosen) // (chosen + 1)
    return total / (1 << pairs)


def _point(chosen: int, pairs: int) -> float:
    return math.comb(pairs, chosen) / (1 << pairs)
