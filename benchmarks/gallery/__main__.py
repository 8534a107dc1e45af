"""Run the gallery's job files for real, keep what they reach, and write its page.

Run as `python -m benchmarks.gallery [--again] [--state DIR] [--compare] [NAME...]`: pushes the
photos, runs the jobs through a daemon, two at a time or more, each on one core, keeps each result
in docs/gallery/results.json as it comes, and writes examples/README.md. A run that broke off goes
on where it was: only jobs that have no result yet, or whose recipe has changed since, are run.
NAME... runs those in any case, `--again` all; `--state` keeps the daemon's state there, with all
that the jobs have made; with `--compare` eight of them are then compared for docs/gallery. About an
hour on 2 cores.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.gallery import comparing, kept, page
from benchmarks.gallery.kept import Result
from benchmarks.gallery.runs import ARCHIVES, Run, runs
from benchmarks.material import material
from benchmarks.table import CHECKOUT, processor
from examples.demo import daemon
from ftctl import AsyncClient, AsyncJobHandle, Job, JobFailed, JobNotFound
from fttrain.spec import rundir

DEVICES = 2


def main() -> int:
    """Run what is named or not measured yet, and keep it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gallery")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--state", type=Path)
    told = parser.parse_args()
    every = runs()
    known = {} if told.again else kept.kept(every)
    names = told.names or [name for name in every if name not in known]
    with TemporaryDirectory() as folder:
        state = told.state or Path(folder, "state")
        chosen = [every[name] for name in names]
        return asyncio.run(_run(chosen, Path(folder), state, compare=told.compare))


async def _run(chosen: Sequence[Run], folder: Path, state: Path, *, compare: bool) -> int:
    """Run jobs; keep what each has reached. Return how many have failed."""
    given = material(folder)
    environment = {**given.environment(), "FTD_DEVICES": f"cpu:{DEVICES}"}
    state.parent.mkdir(parents=True, exist_ok=True)
    async with daemon.running(state, environment=environment) as own:
        await _push(own.client)
        await _complete(own.client)
        handles = [(run, await own.client.submit(run.job_file())) for run in chosen]
        try:
            failed = sum(await asyncio.gather(*(_keep(*one) for one in handles)))
            if compare and not failed:
                await comparing.write(own.socket)
            return failed
        finally:
            # Workers outlive their daemon: what still runs would go on without end.
            for _, handle in handles:
                await handle.cancel()


async def _keep(run: Run, handle: AsyncJobHandle) -> bool:
    """Wait for a job and keep what it has reached; return True where it failed."""
    try:
        job = (await handle.wait()).check()
    except JobFailed as failure:
        print(failure, file=sys.stderr)
        return True
    result = Result.of(run, job, machine=_machine(), processor_s=_processor_seconds(job))
    _write({**kept.kept(runs()), run.name: result})
    print(
        f"{run.name}: {result.accuracy:.4f} ({result.correct} of {result.val}), epoch "
        f"{result.best_epoch} of {result.epochs}, {result.seconds:.0f} s, share {result.share}",
        flush=True,
    )
    return False


def _write(results: Mapping[str, Result]) -> None:
    kept.keep(results)
    page.PAGE.write_text(page.page(results))


async def _push(client: AsyncClient) -> None:
    shared = Path(os.environ.get("FINETUNED_TEST_DATA", CHECKOUT.parent / "shared"))
    for photos, archive in ARCHIVES.items():
        await client.push_dataset(photos, shared / "data" / f"{archive}.tar")


async def _complete(client: AsyncClient) -> None:
    """Have results of earlier versions say what is told by now: MACs, and who was judged rightly.

    The latter is there only where the state of then is.
    """
    every = runs()
    for name, result in kept.kept(every).items():
        if result.macs is None:
            plan = (await client.validate(every[name].job_file())).plan
            assert plan is not None
            _write({**kept.kept(every), name: replace(result, macs=plan.get("macs"))})
        if not result.right:
            with contextlib.suppress(JobNotFound):
                ran = await client.get(name)
                right = kept.bits(Path(ran.run_dir, *kept.VERDICTS))
                _write({**kept.kept(every), name: replace(kept.kept(every)[name], right=right)})


def _processor_seconds(job: Job) -> float:
    """Return the processor time of a job's worker and all that it started."""
    told = json.loads(Path(job.run_dir, rundir.EXIT).read_text())
    return float(told["user_s"] + told["system_s"])


def _machine() -> str:
    versions = f"torch {version('torch')}, torchvision {version('torchvision')}"
    return f"{processor()}, Python {platform.python_version()}, {versions}"


if __name__ == "__main__":
    sys.exit(main())
