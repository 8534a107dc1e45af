"""What watchers cost the trainer, and how late they learn of what it does.

Run as `python -m benchmarks.watchers`, 5 minutes. First a job trains on all cores, in turns with
100 watchers and without; clients belong on other machines and are here, so what they took of the
cores is counted as given to the trainer, and the plain ratio stands beside. Then 1,000 watchers
with a connection each follow a job that tells an event of 4 kB twice a second and does nothing
else; 20 of them stop reading until the daemon has cut them.
"""

import asyncio
import os
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.crowds import Crowd, cpu_s, last_sequence
from benchmarks.table import CHECKOUT, Row, at_most, finish
from examples.demo.daemon import Running, running
from ftctl import ProgressMade
from fttrain import events
from fttrain.spec import rundir

TITLE = "Watchers"
FEW, MANY, SLOW = 100, 980, 20
PROCESSES = 4
TURNS, TURN_S = 8, 4.0
SETTLE_S = 1.0
MOST_RATIO = 1.02
BEAT_S, BEAT_GROUPS = 0.5, 500
HELD_S = 150.0
"""A watcher that reads nothing is cut once 256 events wait, and what the transport takes in."""
MOST_LATE_MS = 100.0
MOST_GROWTH_MB = 64.0
"""Of the daemon, while slow watchers fall behind: 256 events of 4 kB wait once for all."""


def measure(*, turns: int = TURNS, held_s: float = HELD_S) -> list[Row]:
    """Measure both."""
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        rows = asyncio.run(steps(Path(one), turns))
        return [*rows, *asyncio.run(lateness(Path(other), held_s))]


# --- the trainer's step -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Some seconds of training."""

    step_s: float
    step_cpu_s: float
    """Processor time of the trainer."""
    daemon: float
    """Cores that the daemon took."""
    clients: float
    """Cores that the watchers took."""


async def steps(folder: Path, turns: int = TURNS) -> list[Row]:
    """Measure what 100 watchers cost a trainer that uses all cores."""
    async with _training(folder) as (daemon, trainer):
        job = await daemon.client.get("watched")
        journal = _Journal(Path(job.run_dir) / rundir.JOURNAL)
        async with Crowd.of(FEW, socket=daemon.socket, job=job.id) as crowd:
            pids = (trainer.pid, daemon.process.pid)
            alone, watched = [await _turn(journal, crowd, *pids)], []
            for _ in range(turns):
                await crowd.watch(daemon.client, job.id)
                await asyncio.sleep(SETTLE_S)
                watched.append(await _turn(journal, crowd, *pids))
                await crowd.say("off")
                await asyncio.sleep(SETTLE_S)
                alone.append(await _turn(journal, crowd, *pids))
        await daemon.client.cancel(job.id)
    return list(_step_rows(alone, watched))


def _step_rows(alone: Sequence[Turn], watched: Sequence[Turn]) -> Sequence[Row]:
    before_after = list(pairwise(alone))
    around = [(one.step_s + other.step_s) / 2 for one, other in before_after]
    around_cpu = [(one.step_cpu_s + other.step_cpu_s) / 2 for one, other in before_after]
    plain = [turn.step_s / other for turn, other in zip(watched, around, strict=True)]
    cores = os.cpu_count() or 1
    given = [ratio * (1 - turn.clients / cores) for ratio, turn in zip(plain, watched, strict=True)]
    cpu = [turn.step_cpu_s / other for turn, other in zip(watched, around_cpu, strict=True)]
    daemon = statistics.median(turn.daemon for turn in watched)
    clients = statistics.median(turn.clients for turn in watched)
    what = f"a step with {FEW} watchers, as part of one without"
    ratio = statistics.median(given)
    return [
        Row(
            what=f"{what}, {len(watched)} turns, the clients' CPU given back",
            value=_ratios(given), goal=f"≤ {MOST_RATIO:g}", holds=ratio <= MOST_RATIO,
        ),
        Row(what="the same, plain", value=_ratios(plain)),
        Row(what="the same, of the trainer's own CPU time", value=_ratios(cpu)),
        Row(what="cores that the daemon took meanwhile", value=f"{daemon:.3f}"),
        Row(what="cores that the clients took", value=f"{clients:.3f} of {cores}"),
    ]  # fmt: skip


def _ratios(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"


async def _turn(journal: "_Journal", crowd: Crowd, trainer: int, daemon: int) -> Turn:
    journal.read()
    before = [cpu_s(trainer), cpu_s(daemon), crowd.cpu_s()]
    await asyncio.sleep(TURN_S)
    after = [cpu_s(trainer), cpu_s(daemon), crowd.cpu_s()]
    took = [(end - begin) / TURN_S for begin, end in zip(before, after, strict=True)]
    step_s = journal.step_s()
    return Turn(step_s=step_s, step_cpu_s=took[0] * step_s, daemon=took[1], clients=took[2])


class _Journal:
    """The steps that a trainer tells of."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[events.Entry]:
        """Return the steps that were told since the last reading."""
        entries, self._offset = events.read(self._path, offset=self._offset)
        return [entry for entry in entries if isinstance(entry.record, events.Steps)]

    def step_s(self) -> float:
        """Return how long a step has taken since the last reading, by when each was told."""
        told = self.read()
        first, last = told[0], told[-1]
        assert isinstance(first.record, events.Steps)
        assert isinstance(last.record, events.Steps)
        return (last.time - first.time) / (last.record.last - first.record.last)


@asynccontextmanager
async def _training(folder: Path) -> AsyncIterator[tuple[Running, psutil.Process]]:
    """Have a daemon and a trainer that does nothing but steps inside the block."""
    environment = {**os.environ, "FTD_DEVICES": f"cpu:{os.cpu_count()}"}
    async with running(folder / "state", environment=environment) as daemon:
        handle = await daemon.client.submit(job())
        async for event in handle.watch():
            if isinstance(event, ProgressMade) and event.progress.step > 1:
                break
        shim = rundir.read_shim(Path((await handle.get()).run_dir))
        assert shim is not None
        (trainer,) = psutil.Process(shim.pid).children()
        yield daemon, trainer


def job() -> dict[str, Any]:
    """Return a job whose first epoch never ends: it tells of its steps, twice a second."""
    fake = {"classes": 4, "train": 2_000_000, "val": 4, "side": 32}
    return {
        "name": "watched",
        "data": {
            "fake": fake,
            "workers": 0,
            "preprocess": {"mean": [0.5] * 3, "std": [0.25] * 3},
        },
        "model": {"cnn": {"channels": [32, 64], "pool": 2}},
        "train": {"epochs": 1, "batch_size": 64, "optimizer": {"sgd": {"lr": 1e-4}}},
        "outputs": [],
    }


# --- how late ---------------------------------------------------------------------------------


async def lateness(
    folder: Path, held_s: float = HELD_S, *, many: int = MANY, slow: int = SLOW
) -> list[Row]:
    """Measure how late watchers learn of events while slow ones fall behind."""
    async with beating(folder) as (daemon, name):
        crowd = partial(Crowd.of, socket=daemon.socket, job=name)
        async with crowd(many, processes=PROCESSES) as fast, crowd(slow) as behind:
            await behind.watch(daemon.client, name)
            await fast.watch(daemon.client, name)
            me = psutil.Process(daemon.process.pid)
            before, cpu = me.memory_info().rss, cpu_s(me.pid)
            await behind.say("hold")
            await fast.say("tell")
            await asyncio.sleep(held_s)
            told = await fast.say("tell")
            growth = (me.memory_info().rss - before) / 1e6
            daemon_cores = (cpu_s(me.pid) - cpu) / held_s
            await behind.say("go")
            await behind.reach(await last_sequence(daemon.client, name))
            after = await behind.say("tell")
        await daemon.client.cancel(name)
    rate = statistics.mean(told.events) / held_s
    cut = sum(count > 0 for count in after.cuts)
    what = f"{many + slow:,} watchers at {rate:.1f} events/s, {slow} of them slow"
    return [
        at_most(f"{what}: an event is late by, p99", told.late_ms(0.99), MOST_LATE_MS, "ms"),
        Row(
            what="the same, median and most",
            value=f"{told.late_ms(0.5):.0f} ms, {told.late_ms(1):.0f} ms",
        ),
        Row(what="cores that the daemon took", value=f"{daemon_cores:.3f}"),
        at_most("its memory grew meanwhile by", growth, MOST_GROWTH_MB, "MB", 1),
        Row(what="slow watchers cut", value=f"{cut} of {slow}", goal="all", holds=cut == slow),
        Row(
            what="events missed by any watcher, the slow ones after they resumed",
            value=str(told.gaps + after.gaps), goal="0", holds=told.gaps + after.gaps == 0,
        ),
    ]  # fmt: skip


@asynccontextmanager
async def beating(
    folder: Path, *, beat_s: float = BEAT_S, groups: int = BEAT_GROUPS
) -> AsyncIterator[tuple[Running, str]]:
    """Have a daemon with a job inside the block that tells an event every so often."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")]),
        "BEAT_S": str(beat_s), "BEAT_GROUPS": str(groups), "FTD_DEVICES": "sim:1x16GiB",
    }  # fmt: skip
    state, module = folder / "state", "benchmarks.beating"
    async with running(state, environment=environment, module=module) as daemon:
        handle = await daemon.client.submit(job())
        yield daemon, handle.id


if __name__ == "__main__":
    sys.exit(finish(TITLE, measure()))
