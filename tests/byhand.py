"""Plain torch loops, written as anyone would by hand, beside the engine's own."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fttrain import assembly, loop
from fttrain.data import order
from fttrain.data.stream import Batch
from fttrain.data.view import EvalView, normalise
from fttrain.draft import Draft
from fttrain.loop import Step, Training
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from tests import engine

EPOCHS, BATCH = 2, 4
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A recipe of 40 digits, 10 batches an epoch, with all that two loops need."""

    recipe: Recipe
    plan: Plan
    training: Training
    net: nn.Module
    """The same net with the same values, for the loop by hand."""

    def epoch(self, number: int) -> list[Batch]:
        """Return the batches of an epoch, counted from 1, made without the stream."""
        size, seed = self.recipe.train.batch_size, self.recipe.train.seed
        source = Draft(recipe=self.recipe, references={}).source
        view = EvalView(self.plan.preprocess.steps)
        labels, weights = source.train.labels, self.plan.sampling_weights
        shuffled = (
            order.weighted_order(np.array(weights)[labels], seed, number)
            if weights
            else order.epoch_order(len(labels), seed, number)
        )
        return [
            Batch(
                epoch=number,
                indices=part,
                images=torch.stack(
                    [view(source.train.picture(i), epoch=number, index=i) for i in part.tolist()]
                ),
                labels=torch.from_numpy(labels[part]),
            )
            for part in order.batches(shuffled, size, True)
        ]

    def batches(self) -> Iterator[Batch]:
        """Yield the batches of all epochs."""
        for number in range(1, self.recipe.train.epochs + 1):
            yield from self.epoch(number)

    def logits(self, batch: Batch) -> Tensor:
        """Run the net by hand."""
        images = batch.images.contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.net(normalise(images, self.plan.preprocess.steps))
        return logits

    def ours(self) -> list[Step]:
        """Train by the engine's loop."""
        return list(loop.train(self.training, self.batches(), first_step=0))

    def assert_same_net(self) -> None:
        """Compare the two nets, bit for bit."""
        mine = self.training.net.module.state_dict()
        for name, value in self.net.state_dict().items():
            assert torch.equal(mine[name], value), name


def trial(**train: Any) -> Trial:
    """Prepare a recipe of digits."""
    recipe = engine.digits(**{"epochs": EPOCHS, "batch_size": BATCH, **train})
    return prepared(recipe)


def prepared(recipe: Recipe) -> Trial:
    """Prepare any recipe."""
    plan = engine.planned(recipe)
    training = assembly.training(recipe, plan)
    net = assembly.net(recipe, plan).module.to(memory_format=torch.channels_last)
    return Trial(recipe=recipe, plan=plan, training=training, net=net.train())


def plain(
    trial: Trial,
    optimizer: torch.optim.Optimizer,
    *,
    loss: Loss = F.cross_entropy,
    accumulate: int = 1,
    before_step: Callable[[list[nn.Parameter]], object] = lambda _: None,
    after_step: Callable[[], object] = lambda: None,
) -> list[float]:
    """Train the net by hand; return the loss of each step."""
    losses, parts = [], trial.batches()
    trained = [p for table in optimizer.param_groups for p in table["params"]]
    while group := list(itertools.islice(parts, accumulate)):
        losses.append(gradients(trial, group, loss))
        before_step(trained)
        optimizer.step()
        optimizer.zero_grad()
        after_step()
    return losses


def gradients(trial: Trial, group: list[Batch], loss: Loss = F.cross_entropy) -> float:
    """Add up the gradient of the mean over all images of some batches; return that mean."""
    images, total = sum(len(part.labels) for part in group), 0.0
    for part in group:
        mean = loss(trial.logits(part), part.labels)
        (mean * (len(part.labels) / images)).backward()  # type: ignore[no-untyped-call]
        total += mean.item() * len(part.labels)
    return total / images


def words(path: str, options: Mapping[str, Any]) -> list[str]:
    """Return the words of some options and where they stand."""
    return [path, *(f"{path}.{name}" for name in options)]
