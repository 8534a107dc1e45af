"""The daemon dies by kill -9 at any moment, alone or with all beneath it; no job pays for it."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.chaos.figures import Figures
from tests.chaos.fleet import Fleet, fleet
from tests.chaos.machine import Machine, machine
from tests.wait import wait_until

Kill = Callable[[Machine], Awaitable[None]]
BEFORE_IT_LISTENS, AT_ONCE = 0.3, 0.3
"""Shares of kills that come while the daemon starts, and right when it listens: the others wait
until it has brought jobs on."""
START_S, AFTER_S = 2.0, 0.5
MOST_EPOCHS, LIMIT_S = 3, 60.0
"""So many epochs, or seconds, pass from one kill to the next at most."""
CANCELLED = 0.2
"""Share of kills right before which a job is cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a run came to."""

    faults: list[str]
    kills: int
    kills_while_training: int
    jobs: int
    epochs: int
    attempts: int
    seconds: float


async def test_6_kills_of_the_daemon_lose_nothing(tmp_path: Path, seed: int) -> None:
    """R34: what trains goes on, and whoever watches sees each event once and in order."""
    played = await play(tmp_path, seed, kills=6, waiting=4, kill=Machine.kill_daemon)

    assert played.faults == []


async def test_2_restarts_of_the_machine_lose_nothing(tmp_path: Path, seed: int) -> None:
    played = await play(tmp_path, seed, kills=2, waiting=3, kill=Machine.die)

    assert played.faults == []


@pytest.mark.chaos
@pytest.mark.timeout(1200)
async def test_60_kills_of_the_daemon_while_20_jobs_wait(
    tmp_path: Path, seed: int, figures: Figures
) -> None:
    """R34: what trains goes on, and whoever watches sees each event once and in order."""
    played = await play(tmp_path, seed, kills=60, waiting=20, kill=Machine.kill_daemon)

    tell(figures, "kill -9 of the daemon, 20 jobs waiting", played)
    assert played.faults == []


@pytest.mark.chaos
@pytest.mark.timeout(900)
async def test_10_restarts_of_the_machine_while_20_jobs_wait(
    tmp_path: Path, seed: int, figures: Figures
) -> None:
    played = await play(tmp_path, seed, kills=10, waiting=20, kill=Machine.die)

    tell(figures, "daemon, zygote and shims die at once, another boot", played)
    assert played.faults == []


async def play(folder: Path, seed: int, *, kills: int, waiting: int, kill: Kill) -> Played:
    """Kill over and over while jobs run and others wait; return what does not hold."""
    random, began = Random(seed), time.monotonic()
    async with machine(folder) as own:
        async with fleet(own.socket, random) as jobs:
            devices = [device.id for device in await jobs.client.devices()]
            busy = 0
            for _ in range(kills):
                await _until_the_moment(own, jobs, random, waiting=waiting)
                busy += bool(own.trainers())
                await kill(own)
                await own.start()
            await own.listens()
            await jobs.all_ended()
            faults = await jobs.faults(devices)
            played = Played(
                faults=faults,
                kills=kills,
                kills_while_training=busy,
                jobs=len(jobs.entries),
                epochs=jobs.told(),
                attempts=sum([len(job.attempts) for job in await jobs.jobs()]),
                seconds=time.monotonic() - began,
            )
        await own.kill_daemon()
        await own.until_empty()
    return played


async def _until_the_moment(own: Machine, jobs: Fleet, random: Random, *, waiting: int) -> None:
    drawn = random.random()
    if drawn < BEFORE_IT_LISTENS:
        await asyncio.sleep(random.uniform(0, START_S))
        return
    await own.listens()
    await jobs.fill(waiting)
    if drawn > BEFORE_IT_LISTENS + AT_ONCE:
        enough = jobs.told() + random.randint(1, MOST_EPOCHS)
        with contextlib.suppress(TimeoutError):
            await wait_until(lambda: jobs.told() >= enough, LIMIT_S)
    await asyncio.sleep(random.uniform(0, AFTER_S))
    if random.random() < CANCELLED:
        await jobs.cancel()


def tell(figures: Figures, what: str, played: Played) -> None:
    """Hand the figures of a run on."""
    figures.tell(
        what, kills=played.kills, kills_while_training=played.kills_while_training,
        jobs=played.jobs, epochs=played.epochs, attempts=played.attempts,
        seconds=played.seconds, faults=len(played.faults),
    )  # fmt: skip
