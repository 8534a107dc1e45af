"""In which order an epoch sees its images, and how they fall into batches."""

import numpy as np
from numpy.typing import NDArray

from fttrain.data import chance

Indices = NDArray[np.int64]
_PURPOSE = 1  # Keeps the order apart from other chance of the same seed.


def epoch_order(n: int, seed: int, epoch: int) -> Indices:
    """Return 0 .. n - 1 in an order that depends on seed and epoch alone."""
    keys = chance.words(n, seed=seed, part=epoch, purpose=_PURPOSE)
    return np.argsort(keys, kind="stable").astype(np.int64, copy=False)


def weighted_order(weights: NDArray[np.float64], seed: int, epoch: int) -> Indices:
    """Draw as many indices as there are weights, with replacement, each as often as its weight.

    What is drawn depends on weights, seed and epoch alone.
    """
    words = chance.words(len(weights), seed=seed, part=epoch, purpose=_PURPOSE)
    ends = np.cumsum(weights)
    places = (words >> np.uint64(11)) * 2.0**-53 * ends[-1]
    drawn = np.searchsorted(ends, places, side="right")
    order: Indices = np.minimum(drawn, len(weights) - 1).astype(np.int64, copy=False)
    return order


def repeated(order: Indices, repeats: int) -> Indices:
    """Repeat each index in its place; as many remain as were there."""
    return np.repeat(order, repeats)[: len(order)]


def occurrences(cut: list[Indices]) -> list[Indices]:
    """Return of each place in an epoch's batches how often its index stands before it."""
    order = np.concatenate(cut)
    by_index = np.argsort(order, kind="stable")
    firsts = np.searchsorted(order[by_index], order)
    places = np.empty_like(order)
    places[by_index] = np.arange(len(order))
    return np.split(places - firsts, np.cumsum([len(part) for part in cut])[:-1])


def batches(order: Indices, batch_size: int, merge_single: bool) -> list[Indices]:
    """Cut an order into batches; the last one is shorter where it does not come out even.

    With `merge_single` a last batch of one joins the batch before it: in training, BatchNorm
    cannot take the statistics of a single image.
    """
    cuts = list(range(batch_size, len(order), batch_size))
    if merge_single and batch_size > 1 and cuts and len(order) - cuts[-1] == 1:
        cuts.pop()
    return list(np.split(order, cuts)) if len(order) else []
