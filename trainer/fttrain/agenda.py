"""Which images a run looks at, in which order: pure functions of recipe, plan and labels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fttrain.data import order
from fttrain.data.order import Indices
from fttrain.data.samples import Labels
from fttrain.data.stream import Task
from fttrain.loop import Lead
from fttrain.progress import Progress
from fttrain.spec import itinerary
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a training goes on."""

    epoch: int = 1
    """The epoch under way or ahead, from 1."""
    batches: int = 0
    """So many of its batches are trained on."""


def place(recipe: Recipe, plan: Plan, labels: Labels, progress: Progress) -> Place:
    """Return where a training goes on that has come so far."""
    epoch, begun = progress.trained + 1, progress.begun(plan)
    if begun == 0:
        return Place(epoch=epoch)
    count = len(batches(recipe, plan, labels, epoch))
    # The last step of an epoch may have fewer batches than others.
    return Place(epoch=epoch, batches=min(begun * plan.accumulate, count))


def lead(recipe: Recipe, plan: Plan, labels: Labels, begin: Place) -> Lead:
    """Return what must be made again before a place, for the sake of the prefix's chunks.

    They know nothing of batches: one may hold images from before the place and after it.
    """
    if not itinerary.card(plan, begin.epoch).prefix or begin.batches == 0:
        return Lead()
    cut = batches(recipe, plan, labels, begin.epoch)
    starts = np.cumsum([0, *(len(part) for part in cut)])
    done = int(starts[begin.batches])
    chunk = done - done % plan.chunk
    if begin.batches == len(cut) or chunk == done:
        return Lead()
    first = int(np.searchsorted(starts, chunk, side="right")) - 1
    return Lead(batches=begin.batches - first, rows=chunk - int(starts[first]), made=done - chunk)


def training(
    recipe: Recipe, plan: Plan, labels: Labels, begin: Place | None = None, skip: int = 0
) -> Iterator[Task]:
    """Yield all batches to train on, from a place on, over all epochs.

    `skip`: so many batches before that place are made, too.
    """
    begin = begin if begin is not None else Place()
    for epoch in range(begin.epoch, plan.epochs + 1):
        cut = batches(recipe, plan, labels, epoch)
        if not cut:
            return
        first = begin.batches - skip if epoch == begin.epoch else 0
        tasks = list(zip(cut, order.occurrences(cut), strict=True))[first:]
        for indices, repeats in tasks:
            yield Task(epoch, indices, repeats)


def batches(recipe: Recipe, plan: Plan, labels: Labels, epoch: int) -> list[Indices]:
    """Return the batches of an epoch; the run may end before they do."""
    chosen = _order(recipe, plan, labels, epoch)
    are_merged = itinerary.card(plan, epoch).batch_norm_train > 0
    cut = order.batches(chosen, plan.batch_size, are_merged)
    steps_left = plan.steps - itinerary.steps_until(plan, epoch - 1)
    return cut[: max(steps_left, 0) * plan.accumulate]


def evaluation(plan: Plan, images: int, epoch: int) -> list[Task]:
    """Return every image once, in order."""
    every = np.arange(images, dtype=np.int64)
    return [Task(epoch, part) for part in order.batches(every, plan.chunk, merge_single=False)]


def statistics(recipe: Recipe, plan: Plan, epoch: int) -> list[Task]:
    """Return every training image once, in one order that mixes the classes, in each epoch."""
    mixed = order.epoch_order(plan.data.train.images, recipe.train.seed, 0)
    size = max(plan.batch_size, plan.chunk)
    return [Task(epoch, part) for part in order.batches(mixed, size, merge_single=True)]


def _order(recipe: Recipe, plan: Plan, labels: Labels, epoch: int) -> Indices:
    """Return which images an epoch sees, in order."""
    seed, weights = recipe.train.seed, plan.sampling_weights
    if weights:
        chosen = order.weighted_order(np.array(weights)[labels], seed, epoch)
    else:
        chosen = order.epoch_order(len(labels), seed, epoch)
    return order.repeated(chosen, recipe.data.repeats)
