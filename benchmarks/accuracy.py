"""What the shipped job files reach: five sets of images, pretrained and from scratch.

Run as `python -m benchmarks.accuracy [NAME...]`: pushes the sets, runs examples/table/*.yaml (or
those that are named) through a daemon one after the other, and writes docs/accuracy.md. About
half an hour on 2 cores.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.material import material
from benchmarks.table import CHECKOUT, machine
from examples.demo import daemon
from ftctl import AsyncClient, Job, JobFile

FOLDER = CHECKOUT / "examples/table"
PAGE = CHECKOUT / "docs/accuracy.md"
SETS = {
    "ants-bees": "hymenoptera_data",
    "cars": "stanford_cars_10class",
    "flowers5": "flowers5",
    "cifar": "cifar10_jpg_subset",
}
HEAD = """\
# What the shipped job files reach

Written by `python -m benchmarks.accuracy`: each job of [examples/table](../examples/table) through
the daemon, on {machine}.
Every run has at least 10 epochs and ends when validation has not improved for 5, or after 40.
The accuracy is the best of the run on its validation images, with Wilson's 95 % interval; a
difference within the intervals says nothing.

| job | train | val | epochs | best accuracy | 95 % | overfit drop | time | img/s |
|---|---|---|---|---|---|---|---|---|
"""


async def run(names: Sequence[str]) -> list[Job]:
    """Run jobs by the names of their files; return them as they ended."""
    with TemporaryDirectory() as folder:
        given = material(Path(folder))
        async with daemon.running(Path(folder, "state"), environment=given.environment()) as own:
            await _push(own.client, names)
            files = [JobFile.read(FOLDER / f"{name}.yaml") for name in names]
            handles = [await own.client.submit(file) for file in files]
            ended = []
            for handle in handles:
                ended.append((await handle.wait()).check())
                print(_line(ended[-1]), file=sys.stderr)
    return ended


async def _push(client: AsyncClient, names: Sequence[str]) -> None:
    shared = Path(os.environ.get("FINETUNED_TEST_DATA", CHECKOUT.parent / "shared"))
    for name, archive in SETS.items():
        if any(job.startswith(name) for job in names):
            await client.push_dataset(name, shared / "data" / f"{archive}.tar")


def _line(job: Job) -> str:
    assert job.best is not None
    assert job.best.val is not None
    assert job.plan is not None
    data, score = job.plan["data"], job.best.val
    trained = [epoch for epoch in job.epochs if epoch.train is not None]
    last = next(epoch.val for epoch in reversed(trained) if epoch.val is not None)
    rate = sum(epoch.images_per_second for epoch in trained) / len(trained)
    cells = (
        job.name,
        data["train"]["images"],
        data["val"]["images"],
        len(trained),
        f"{score.accuracy:.3f} ({score.correct} of {score.count})",
        f"{score.accuracy_low:.3f} to {score.accuracy_high:.3f}",
        f"{score.accuracy - last.accuracy:.3f}",
        f"{job.device_seconds:.0f} s",
        f"{rate:.0f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def main(names: Sequence[str]) -> int:
    """Run, print, write the page."""
    every = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    said = machine()
    jobs = asyncio.run(run(names or every))
    text = HEAD.format(machine=said) + "".join(f"{_line(job)}\n" for job in jobs)
    if not names:
        PAGE.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
