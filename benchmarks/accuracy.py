"""What the shipped job files reach: five sets of images, pretrained and from scratch.

Run as `python -m benchmarks.accuracy [--again | NAME...]`: pushes the sets and runs
examples/table/*.yaml through a daemon, two at a time, each on half the cores. What is measured is
kept at once in docs/accuracy.json, and docs/accuracy.md written from it, so a run that broke off
goes on where it was: only jobs that have no result yet, or whose recipe has changed since, are run.
NAME... runs those that are named in any case, `--again` all. About half an hour on 2 cores.
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

from benchmarks import reached
from benchmarks.material import material
from benchmarks.reached import Reached
from benchmarks.table import CHECKOUT, processor
from examples.demo import daemon
from ftctl import AsyncClient, AsyncJobHandle, Job, JobFailed, JobFile
from fttrain.spec import rundir

ARCHIVES = {
    "ants-bees": "hymenoptera_data",
    "cars": "stanford_cars_10class",
    "flowers5": "flowers5",
    "cifar": "cifar10_jpg_subset",
}
AT_ONCE = 2


def main(arguments: Sequence[str]) -> int:
    """Run what is named or not measured yet; keep it and write the page."""
    known = reached.kept()
    if "--again" in arguments:
        asked = reached.shipped()
    else:
        asked = list(arguments) or [name for name in reached.shipped() if name not in known]
    return asyncio.run(run(with_needed(asked)))


def with_needed(names: Sequence[str]) -> list[str]:
    """Return the jobs and, before each, those that it names in `after`."""
    ordered: dict[str, None] = {}
    for name in names:
        ordered.update(dict.fromkeys((*_file(name).request.after, name)))
    return list(ordered)


async def run(names: Sequence[str]) -> int:
    """Run jobs, two at a time; keep what each has reached. Return how many have failed."""
    with TemporaryDirectory() as folder:
        given = material(Path(folder))
        environment = {**given.environment(), "FTD_DEVICES": f"cpu:{AT_ONCE}"}
        async with daemon.running(Path(folder, "state"), environment=environment) as own:
            await _push(own.client, names)
            handles = [(name, await own.client.submit(_file(name))) for name in names]
            try:
                return sum(await asyncio.gather(*(_keep(*one) for one in handles)))
            finally:
                # Workers outlive their daemon: what still runs would go on without end.
                for _, handle in handles:
                    await handle.cancel()


async def _keep(name: str, handle: AsyncJobHandle) -> bool:
    """Wait for a job and keep what it has reached; return True where it failed."""
    recipe = reached.digest(name)
    try:
        job = (await handle.wait()).check()
    except JobFailed as failure:
        print(failure, file=sys.stderr)
        return True
    row = Reached.of(job, recipe=recipe, machine=_machine(), processor_s=_processor_seconds(job))
    reached.keep({**reached.kept(), name: row})
    print(row.row(name), flush=True)
    return False


async def _push(client: AsyncClient, names: Sequence[str]) -> None:
    shared = Path(os.environ.get("FINETUNED_TEST_DATA", CHECKOUT.parent / "shared"))
    for name, archive in ARCHIVES.items():
        if any(job.startswith(name) for job in names):
            await client.push_dataset(name, shared / "data" / f"{archive}.tar")


def _file(name: str) -> JobFile:
    return JobFile.read(reached.FOLDER / f"{name}.yaml")


def _processor_seconds(job: Job) -> float:
    """Return the processor time of a job's worker and all that it started."""
    told = json.loads(Path(job.run_dir, rundir.EXIT).read_text())
    return float(told["user_s"] + told["system_s"])


def _machine() -> str:
    versions = f"torch {version('torch')}, torchvision {version('torchvision')}"
    return f"{processor()}, Python {platform.python_version()}, {versions}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
