"""How soon a job starts: from the call to the first finished step, beside a plain script.

Run as `python -m benchmarks.start`. The two take turns, so that a busy moment meets both. A step
of ours counts when the client has received the event; one of the script when it is printed.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.material import Material, first_step, job, material
from benchmarks.peers.task import Task
from benchmarks.table import CHECKOUT, Row, finish, spread
from examples.demo.daemon import Running, running

TITLE = "First step"
RUNS = 10
GOAL = 5.0


def measure() -> list[Row]:
    """Measure the starts in turns."""
    with TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[Row]:
    given = material(folder)
    async with running(folder / "state", environment=given.environment()) as daemon:
        # Another job first: the zygote is warm, the photos and both programs in the page cache.
        await ours(daemon, job(given.photos, seed=1))
        task = plain(given.photos)
        await script(given, task)
        first = await ours(daemon, job(given.photos, seed=0))
        pairs = [
            (await ours(daemon, job(given.photos, seed=0)), await script(given, task))
            for _ in range(RUNS)
        ]
        typed = [await command(daemon, folder, job(given.photos, seed=0)) for _ in range(RUNS)]
    daemon_s, script_s = zip(*pairs, strict=True)
    ratio = statistics.median(script_s) / statistics.median(daemon_s)
    return [
        Row(what="submit to first finished step, plan memoised", value=spread(daemon_s)),
        Row(what="the same, first time: unmemoised plan", value=f"{first * 1000:.0f} ms"),
        Row(what="the same, from typing `ftctl submit`", value=spread(typed)),
        Row(what="plain script, from exec to first finished step", value=spread(script_s)),
        Row(
            what=f"the script takes longer by, medians of {RUNS} in turns",
            value=f"{ratio:.1f} times",
            goal=f"≥ {GOAL:g} times",
            holds=ratio >= GOAL,
        ),
    ]


async def ours(daemon: Running, wanted: Mapping[str, Any]) -> float:
    """Return the seconds from the call to the first finished step, and end the job."""
    begin = time.perf_counter()
    handle = await daemon.client.submit(wanted)
    await first_step(daemon.client, handle.id)
    seconds = time.perf_counter() - begin
    await _end(daemon, handle.id)
    return seconds


async def command(daemon: Running, folder: Path, wanted: Mapping[str, Any]) -> float:
    """Return the seconds from typing `ftctl submit` to the first finished step."""
    file = folder / "job.yaml"
    file.write_text(json.dumps({"name": "typed", **wanted}))
    ftctl = Path(sys.executable).with_name("ftctl")
    begin = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(str(ftctl), "submit", str(file), "--socket", str(daemon.socket)),
        stdout=asyncio.subprocess.DEVNULL,
    )
    if await process.wait():
        raise SystemExit(f"ftctl submit ended with {process.returncode}")
    await first_step(daemon.client, "typed")
    seconds = time.perf_counter() - begin
    await _end(daemon, "typed")
    return seconds


async def script(given: Material, task: Task, python: Path = Path(sys.executable)) -> float:
    """Return the seconds from exec to the first finished step of the plain script."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "task.json")
        replace(task, ends_at_first_step=True).write(file)
        begin = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(str(python), "-m", "benchmarks.peers", str(file), str(file)),
            cwd=CHECKOUT, env=given.environment(), stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        line = await process.stdout.readline()
        seconds = time.perf_counter() - begin
        await process.communicate()
    if line != b"step 1\n":
        raise SystemExit(f"the script ended with {process.returncode}")
    return seconds


def plain(photos: Path) -> Task:
    """Return the measured job as the plain script's task."""
    return Task(
        peer="tutorial", photos=str(photos), augment="flip", epochs=25, batch=8, workers=0
    )  # fmt: skip


async def _end(daemon: Running, name: str) -> None:
    """Cancel a job and wait until its device is free: the next start must not pay for it."""
    await daemon.client.cancel(name)
    await daemon.client.wait(name)


if __name__ == "__main__":
    sys.exit(finish(TITLE, measure()))
