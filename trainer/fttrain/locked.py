"""The test lock: test images are seen once, at the very end, by the best checkpoint."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from fttrain import loop
from fttrain.data import order
from fttrain.data.samples import Samples
from fttrain.data.stream import Batch, Stream, Task
from fttrain.data.view import EvalView
from fttrain.loop import Training
from fttrain.models import tensors
from fttrain.results.verdicts import Verdicts
from fttrain.spec.plan import Plan
from fttrain.state import checkpoint

Watched = Callable[[Iterator[Batch]], Iterator[Batch]]
"""Yields batches as they are, and may do something besides."""


def test(
    training: Training,
    plan: Plan,
    samples: Samples,
    *,
    best: Path,
    epoch: int,
    watched: Watched,
) -> Verdicts:
    """Evaluate the best checkpoint, which the net holds from then on.

    Raises:
        BadImage: where an image cannot be read.
    """
    module = training.net.module
    module.load_state_dict(module.state_dict() | checkpoint.changed(tensors.read(best)))
    every = np.arange(len(samples), dtype=np.int64)
    tasks = [Task(epoch, part) for part in order.batches(every, plan.chunk, merge_single=False)]
    with Stream(samples, EvalView(plan.preprocess.steps), plan.loader_workers) as stream:
        return loop.evaluate(training, watched(stream.run(tasks)))
