"""What a long past costs a daemon: 100,000 jobs have ended, 64 run on 8 devices.

Run as `python -m benchmarks.history`. The store and the daemon are real; the running jobs are
taken up from a daemon before, their workers sleep. Starts take turns with those over an empty
store, so that a busy moment meets both.
"""

import asyncio
import os
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import past, scrape
from benchmarks.table import Row, at_most, finish, spread
from examples.demo.daemon import Running, running
from ftd.metrics import endpoint
from ftd.metrics.endpoint import Address
from tests.observe.prometheus import free_port

TITLE = "A long past"
STARTS = 5


def measure() -> list[Row]:
    """Measure daemons over a full store and an empty one."""
    with TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[Row]:
    (folder / "short").mkdir()
    (folder / "long").mkdir()
    state = folder / "long" / "state"
    with past.remembered(state, ended=scrape.ENDED, running=scrape.RUNNING, devices=scrape.DEVICES):
        size = (state / "ftd.sqlite").stat().st_size
        pairs = [
            (await _start(folder / "short" / "state"), await _start(state)) for _ in range(STARTS)
        ]
        scrapes = await _scrapes(state)
    empty_s, full_s = zip(*pairs, strict=True)
    what = f"{scrape.ENDED:,} jobs ended, {scrape.RUNNING} running"
    seconds = [each for each, _ in scrapes]
    return [
        Row(what=f"the store, {what}", value=f"{size / 1e6:.0f} MB"),
        at_most(
            "a scrape of that daemon, median", statistics.median(seconds) * 1000, scrape.GOAL_MS,
            "ms", 1,
        ),
        Row(what="the same, spread", value=spread(seconds)),
        Row(what="its start, until it answers", value=spread(full_s)),
        Row(what="the same over an empty store", value=spread(empty_s)),
    ]  # fmt: skip


async def _start(state: Path) -> float:
    begin = time.perf_counter()
    async with running(state, environment=_environment()) as daemon:
        await daemon.client.devices()
        return time.perf_counter() - begin


async def _scrapes(state: Path) -> list[tuple[float, str]]:
    where = endpoint.address(f"127.0.0.1:{free_port()}")
    async with running(state, environment=_environment() | {"FTD_METRICS": str(where)}) as daemon:
        await _knows_all(daemon, where)
        return [await asyncio.to_thread(scrape.read, where) for _ in range(scrape.RUNS)]


async def _knows_all(daemon: Running, where: Address) -> None:
    """Make sure that what is measured tells of all jobs."""
    await daemon.client.devices()
    _, text = await asyncio.to_thread(scrape.read, where)
    failed = scrape.ENDED // past.FAILED_SHARE
    counts = {"succeeded": scrape.ENDED - failed, "failed": failed, "running": scrape.RUNNING}
    for state, count in counts.items():
        if f'ftd_jobs{{state="{state}"}} {count}.0' not in text:
            raise SystemExit(f"the daemon does not tell of {count} jobs {state}")
    if text.count("\nftd_job_memory_used_bytes{") != scrape.RUNNING:
        raise SystemExit("the daemon does not tell of every running job")


def _environment() -> dict[str, str]:
    return {**os.environ, "FTD_DEVICES": f"sim:{scrape.DEVICES}x80GiB"}


if __name__ == "__main__":
    sys.exit(finish(TITLE, measure()))
