"""Our loader alone: `python -m benchmarks.speed.loading JOB` prints a sample as JSON.

It makes the batches of a job as the engine does, normalised, and does nothing with them.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.speed.samples import Sample
from fttrain import agenda, plan, process, recipefile
from fttrain.data import sources
from fttrain.data.stream import Batch, Stream
from fttrain.data.view import TrainView, normalise
from fttrain.spec.images import Preprocess
from fttrain.spec.plan import Means


def measure(job: Path) -> Sample:
    """Go through the training images, epoch by epoch."""
    recipe = recipefile.read(job).recipe
    planned = plan.make(recipe, references={}, means=Means(cpus=os.cpu_count() or 1))
    process.settle(threads=planned.threads, device="cpu")
    found, steps = sources.load(recipe.data), planned.preprocess.steps
    view = TrainView(steps, recipe.data.augment, recipe.train.seed)
    with Stream(found.train, view, planned.loader_workers) as stream:
        tasks = agenda.training(recipe, planned, found.train.labels)
        begun = time.perf_counter()
        seconds = list(_epochs(stream.run(tasks), steps))
    return Sample(
        version=f"finetuned, torch {planned.environment.torch}", workers=planned.loader_workers,
        precision="fp32", layout="contiguous", images=planned.data.train.images,
        epochs_s=seconds, whole_s=time.perf_counter() - begun,
    )  # fmt: skip


def _epochs(batches: Iterator[Batch], steps: Preprocess) -> Iterator[float]:
    """Yield the seconds of each epoch: from the last batch of the one before to its own last."""
    begun = last = time.perf_counter()
    epoch = 1
    for batch in batches:
        if batch.epoch != epoch:
            yield last - begun
            begun, epoch = last, batch.epoch
        normalise(batch.images, steps)
        last = time.perf_counter()
    yield last - begun


if __name__ == "__main__":
    print(json.dumps(asdict(measure(Path(sys.argv[1])))))
