"""What a scrape costs: 64 jobs that run on 8 devices, 100,000 that have ended.

Run as `python -m benchmarks.scrape`. Each scrape is a request over HTTP as Prometheus makes it;
beside it stands for how long the event loop, and so every call of the API, was held up by it.
"""

import asyncio
import http.client
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.table import Row, at_most, finish, spread
from ftd.devices.model import DeviceKind, JobMemory
from ftd.jobs.model import JobState
from ftd.metrics import service, snapshot
from ftd.metrics.endpoint import Address
from ftd.metrics.service import Settings
from ftd.metrics.snapshot import Place
from ftd.metrics.tally import Tally
from ftd.rpc import methods
from fttrain.spec import rundir
from tests.fakes import metrics
from tests.fakes.jobs import NOW, at
from tests.fakes.metrics import FakeSources, Ledger

TITLE = "Scrape"
RUNS = 50
RUNNING = 64
ENDED = 100_000
DEVICES = 8
GOAL_MS = 50.0
MOST_SERIES = 4000
OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.5"


def measure() -> list[Row]:
    """Measure scrapes one after the other."""
    with TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


def read(where: Address) -> tuple[float, str]:
    """Read metrics once; return the seconds that it took, and the text."""
    begin = time.perf_counter()
    connection = http.client.HTTPConnection(where.host, where.port, timeout=30)
    connection.request("GET", "/metrics", headers={"Accept": OPENMETRICS})
    text = connection.getresponse().read().decode()
    connection.close()
    return time.perf_counter() - begin, text


async def _measure(folder: Path) -> list[Row]:
    tally, sources = _daemon(folder)
    place = Place(state_dir=folder, database=folder / "ftd.sqlite")
    settings = Settings(listen="127.0.0.1:0", mapping_dir=None)
    async with service.working(settings, place, tally, sources, lambda: at(10)) as where:
        assert where is not None
        await asyncio.to_thread(read, where)
        scrapes = [await asyncio.to_thread(read, where) for _ in range(RUNS)]
    taken = [_snapshot(place, tally, sources) for _ in range(RUNS)]
    seconds = [each for each, _ in scrapes]
    text = scrapes[-1][1]
    series = sum(not line.startswith("#") for line in text.splitlines())
    what = f"a scrape, {RUNNING} jobs running on {DEVICES} devices, {ENDED:,} ended"
    return [
        at_most(f"{what}, median", statistics.median(seconds) * 1000, GOAL_MS, "ms", 1),
        Row(what="the same, spread", value=spread(seconds)),
        Row(
            what="of it in the event loop, median",
            value=f"{statistics.median(taken) * 1000:.2f} ms",
        ),
        at_most("series", series, MOST_SERIES, ""),
        Row(what="text", value=f"{len(text) / 1000:.0f} kB"),
    ]


def _daemon(folder: Path) -> tuple[Tally, FakeSources]:
    ended = {JobState.SUCCEEDED: ENDED - 1000, JobState.FAILED: 1000}
    calls = methods.calls().values()
    tally = Tally(opened=NOW, ended=ended, calls=calls, codes=methods.CODES)
    sources = FakeSources(
        devices=[metrics.standing(number, kind=DeviceKind.GPU) for number in range(DEVICES)]
    )
    ledger = Ledger(tally)
    for number in range(RUNNING):
        run_dir = folder / str(number)
        run_dir.mkdir()
        (run_dir / rundir.JOURNAL).write_bytes(b"x" * 1000)
        job = ledger.submit(metrics.new_job(number, memory_bytes=metrics.GIB))
        job = ledger.move(
            job, JobState.STARTING, JobState.RUNNING, second=1, run_dir=str(run_dir),
            progress=metrics.progress(10), epochs=(metrics.epoch(1),) * 100,
        )  # fmt: skip
        sources.hold(
            job, devices=(f"gpu{number % DEVICES}",), device_seconds=7.5, journal_bytes=900,
            memory=JobMemory(used_bytes=metrics.GIB, peak_bytes=metrics.GIB),
        )  # fmt: skip
    return tally, sources


def _snapshot(place: Place, tally: Tally, sources: FakeSources) -> float:
    begin = time.perf_counter()
    snapshot.take(metrics.BUILD, place, tally, sources, at(10))
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(finish(TITLE, measure()))
