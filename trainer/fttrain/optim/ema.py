"""A running mean of the weights: by it a net is judged and exported."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """The mean of what training changes: parameters, and the statistics of normalisation.

    As `torch.optim.swa_utils.AveragedModel` with buffers, the first update takes the values as
    they are; so do all in the warm-up, and the first after it, as in torchvision's references.
    Whole numbers are never averaged but taken.
    """

    def __init__(
        self,
        net: nn.Module,
        names: Iterable[str],
        *,
        first_step: int,
        steps_per_epoch: int,
        decay: float,
        every: int,
        warmup_steps: int,
    ) -> None:
        self._net = net
        self._decay = decay
        self._every = every
        self._warmup_steps = warmup_steps
        self.averaged = 0
        """Updates that the mean is made of; 0 where the next one begins it."""
        self._live: dict[str, Tensor] = {}
        self._means: dict[str, Tensor] = {}
        self.enter(names, first_step=first_step, steps_per_epoch=steps_per_epoch)

    def enter(self, names: Iterable[str], *, first_step: int, steps_per_epoch: int) -> None:
        """Follow these tensors from now on, beside those that it follows already.

        Args:
            names: of the tensors; what has not changed before begins as it is.
            first_step: counted from 0; an epoch begins with it.
            steps_per_epoch: of the epochs that follow.
        """
        chosen = set(names).union(self._live)
        whole = self._net.state_dict(keep_vars=True)
        # In the net's order, whichever came first.
        self._live = {name: tensor for name, tensor in whole.items() if name in chosen}
        self._means = {
            name: self._means[name] if name in self._means else tensor.detach().clone()
            for name, tensor in self._live.items()
        }
        self._first_step, self._steps_per_epoch = first_step, steps_per_epoch

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the values after a step, counted from 0, where it is one for an update.

        Each epoch begins its own count of `every`, with its first step.
        """
        if (step - self._first_step) % self._steps_per_epoch % self._every:
            return
        for name, live in self._live.items():
            mean = self._means[name]
            if self.averaged == 0 or not mean.is_floating_point():
                mean.copy_(live)
            else:
                mean.copy_(self._decay * mean + (1 - self._decay) * live)
        self.averaged = 0 if step < self._warmup_steps else self.averaged + 1

    @contextmanager
    def applied(self) -> Iterator[dict[str, Tensor]]:
        """Have the net hold the mean; yield by name what it holds again afterwards."""
        self._exchange()
        try:
            yield dict(self._means)
        finally:
            self._exchange()

    def restore(self, means: Mapping[str, Tensor], averaged: int) -> None:
        """Put back a mean from a checkpoint."""
        for name, mean in self._means.items():
            mean.copy_(means[name])
        self.averaged = averaged

    def _exchange(self) -> None:
        for name, live in self._live.items():
            live.data, self._means[name] = self._means[name], live.data


def adjusted(decay: float, *, images: int, every: int, epochs: int) -> float:
    """Return the decay that reaches equally far back whatever the batch and the epochs.

    Args:
        decay: as stated.
        images: per optimizer step.
        every: steps from one update to the next.
        epochs: of the run.
    """
    return 1.0 - min(1.0, (1.0 - decay) * (images * every / epochs))
