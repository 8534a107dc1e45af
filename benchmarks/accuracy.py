"""What the shipped job files reach: five sets of images, pretrained and from scratch.

Run as `python -m benchmarks.accuracy [--again | NAME...]`: pushes the sets and runs
examples/table/*.yaml through a daemon one after the other. What is measured is kept at once in
docs/accuracy.json, and docs/accuracy.md written from it, so a run that broke off goes on where it
was: only jobs that have no result yet, or whose recipe has changed since, are run. NAME... runs
those that are named in any case, `--again` all. About half an hour on 2 cores.
"""

import asyncio
import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import meter, reached
from benchmarks.material import material
from benchmarks.reached import Reached
from benchmarks.table import CHECKOUT, processor
from examples.demo import daemon
from ftctl import AsyncClient, Job, JobFile
from fttrain.spec import rundir

ARCHIVES = {
    "ants-bees": "hymenoptera_data",
    "cars": "stanford_cars_10class",
    "flowers5": "flowers5",
    "cifar": "cifar10_jpg_subset",
}


def main(arguments: Sequence[str]) -> int:
    """Run what is named or not measured yet; keep it and write the page."""
    known = reached.kept()
    if "--again" in arguments:
        asked = reached.shipped()
    else:
        asked = list(arguments) or [name for name in reached.shipped() if name not in known]
    asyncio.run(run(with_needed(asked)))
    return 0


def with_needed(names: Sequence[str]) -> list[str]:
    """Return the jobs and, before each, those that it names in `after`."""
    ordered: dict[str, None] = {}
    for name in names:
        ordered.update(dict.fromkeys((*_file(name).request.after, name)))
    return list(ordered)


async def run(names: Sequence[str]) -> None:
    """Run jobs one after the other; keep what each has reached as soon as it has ended."""
    with TemporaryDirectory() as folder:
        given = material(Path(folder))
        async with daemon.running(Path(folder, "state"), environment=given.environment()) as own:
            await _push(own.client, names)
            for name in names:
                row = await _measure(own.client, name)
                reached.keep({**reached.kept(), name: row})
                print(row.row(name), flush=True)


async def _measure(client: AsyncClient, name: str) -> Reached:
    recipe = reached.digest(name)
    async with meter.readings() as taken:
        handle = await client.submit(_file(name))
        job = (await handle.wait()).check()
    held = job.attempts[-1]
    assert held.start_time is not None
    assert held.end_time is not None
    return Reached.of(
        job, recipe=recipe, machine=_machine(), measured=held.end_time.date().isoformat(),
        others=meter.others(taken, held.start_time, held.end_time, _own_seconds(job)),
    )  # fmt: skip


async def _push(client: AsyncClient, names: Sequence[str]) -> None:
    shared = Path(os.environ.get("FINETUNED_TEST_DATA", CHECKOUT.parent / "shared"))
    for name, archive in ARCHIVES.items():
        if any(job.startswith(name) for job in names):
            await client.push_dataset(name, shared / "data" / f"{archive}.tar")


def _file(name: str) -> JobFile:
    return JobFile.read(reached.FOLDER / f"{name}.yaml")


def _own_seconds(job: Job) -> float:
    """Return the processor time of a job's worker and all that it started."""
    told = json.loads(Path(job.run_dir, rundir.EXIT).read_text())
    return float(told["user_s"] + told["system_s"])


def _machine() -> str:
    versions = f"torch {version('torch')}, torchvision {version('torchvision')}"
    return f"{processor()}, Python {platform.python_version()}, {versions}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
