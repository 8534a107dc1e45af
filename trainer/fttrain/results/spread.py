"""What repeats of a training come to: mean, deviation, and how sure the mean is."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from fttrain.events import Spread


def spread(accuracies: Sequence[float]) -> Spread | None:
    """Return the spread of one accuracy per repeat; None where there is no repeat."""
    if not accuracies:
        return None
    mean = fmean(accuracies)
    if len(accuracies) == 1:
        return Spread(accuracies=[mean], mean=mean, deviation=0.0, low=None, high=None)
    deviation = stdev(accuracies)
    reach = quantile(0.975, len(accuracies) - 1) * deviation / math.sqrt(len(accuracies))
    return Spread(
        accuracies=list(accuracies),
        mean=mean,
        deviation=deviation,
        low=mean - reach,
        high=mean + reach,
    )


def quantile(share: float, freedom: int) -> float:
    """Return below which value Student's t lies with a probability from 0.5 on, by bisection."""
    low, high = 0.0, 1.0
    while _share_below(high, freedom) < share:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if _share_below(middle, freedom) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _share_below(t: float, freedom: int) -> float:
    """Sum the finite series of the distribution (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan2(t, math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    is_odd = freedom % 2
    term = math.cos(angle) if is_odd else 1.0
    total = 0.0
    for number in range(1 if is_odd else 0, freedom - 1, 2):
        total += term
        term *= square * (number + 1) / (number + 2)
    within = 2 / math.pi * (angle + sine * total) if is_odd else sine * total
    return 0.5 + within / 2
