"""Which images a run looks at, in which order: pure functions of recipe, plan and labels."""

from collections.abc import Iterator

import numpy as np

from fttrain.data import order
from fttrain.data.order import Indices
from fttrain.data.samples import Labels
from fttrain.data.stream import Task
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe


def training(recipe: Recipe, plan: Plan, labels: Labels) -> Iterator[Task]:
    """Yield all batches to train on, over all epochs."""
    for epoch in range(1, plan.epochs + 1):
        cut = batches(recipe, plan, labels, epoch)
        for indices, repeats in zip(cut, order.occurrences(cut), strict=True):
            yield Task(epoch, indices, repeats)


def batches(recipe: Recipe, plan: Plan, labels: Labels, epoch: int) -> list[Indices]:
    """Return the batches of an epoch; the run may end before they do."""
    chosen = _order(recipe, plan, labels, epoch)
    cut = order.batches(chosen, plan.batch_size, plan.batch_norm_train > 0)
    steps_left = plan.steps - (epoch - 1) * plan.steps_per_epoch
    return cut[: steps_left * plan.accumulate]


def evaluation(plan: Plan, images: int, epoch: int) -> list[Task]:
    """Return every image once, in order."""
    every = np.arange(images, dtype=np.int64)
    return [Task(epoch, part) for part in order.batches(every, plan.chunk, merge_single=False)]


def statistics(recipe: Recipe, plan: Plan) -> list[Task]:
    """Return every training image once, in one order that mixes the classes."""
    mixed = order.epoch_order(plan.data.train.images, recipe.train.seed, 0)
    size = max(plan.batch_size, plan.chunk)
    return [Task(0, part) for part in order.batches(mixed, size, merge_single=True)]


def _order(recipe: Recipe, plan: Plan, labels: Labels, epoch: int) -> Indices:
    """Return which images an epoch sees, in order."""
    seed, weights = recipe.train.seed, plan.sampling_weights
    if weights:
        chosen = order.weighted_order(np.array(weights)[labels], seed, epoch)
    else:
        chosen = order.epoch_order(len(labels), seed, epoch)
    return order.repeated(chosen, recipe.data.repeats)
