"""Our loader alone: `python -m benchmarks.speed.loading JOB` prints a sample as JSON.

It makes the batches of a job as the engine does, normalised, and does nothing with them.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from benchmarks.speed.ours import computed_in
from benchmarks.speed.samples import Sample
from fttrain import agenda, plan, process, recipefile
from fttrain.cache.room import Place
from fttrain.data import sources
from fttrain.data.stream import Batch
from fttrain.data.view import normalise
from fttrain.spec.images import Preprocess
from fttrain.spec.plan import Means
from fttrain.supply import Supply

_CACHE_BYTES = 4 << 30


def measure(job: Path) -> Sample:
    """Go through the training images, epoch by epoch; what is kept of them lies beside the job."""
    recipe = recipefile.read(job).recipe
    planned = plan.make(recipe, references={}, means=Means(cpus=os.cpu_count() or 1))
    process.settle(threads=planned.threads, device="cpu")
    begun = time.perf_counter()
    with ExitStack() as stack:
        supply = Supply(
            recipe=recipe, plan=planned, source=sources.load(recipe.data), begin=agenda.Place(),
            place=Place(root=job.parent / "cache", most_bytes=_CACHE_BYTES), known={},
            tell=lambda notice: print(notice, file=sys.stderr), stack=stack,
        )  # fmt: skip
        seconds = list(_epochs(supply.batches, planned.preprocess.steps))
    return Sample(
        version=f"finetuned, torch {planned.environment.torch}", workers=planned.loader_workers,
        precision=computed_in(planned.model_dump(), is_cached=False), layout="contiguous",
        images=planned.data.train.images, epochs_s=seconds, whole_s=time.perf_counter() - begun,
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
