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


def batches(order: Indices, batch_size: int, merge_single: bool) -> list[Indices]:
    """Cut an order into batches; the last one is shorter where it does not come out even.

    With `merge_single` a last batch of one joins the batch before it: in training, BatchNorm
    cannot take the statistics of a single image.
    """
    cuts = list(range(batch_size, len(order), batch_size))
    if merge_single and batch_size > 1 and cuts and len(order) - cuts[-1] == 1:
        cuts.pop()
    return list(np.split(order, cuts)) if len(order) else []
