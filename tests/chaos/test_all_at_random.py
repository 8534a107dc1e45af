"""All at random: everything is killed, stopped and restarted, and clocks jump; no job pays."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest

from tests.chaos.figures import Figures
from tests.chaos.fleet import Fleet, fleet
from tests.chaos.machine import Machine, machine, send, title

PAUSE_S = (0.3, 3.0)
"""From one act to the next, from and to."""
STOPPED_S, PAUSED_S = (0.1, 2.0), (0.1, 5.0)
JUMP_S = 7200.0
AT_ONCE = 0.1
"""How often a daemon may die before any of its jobs has got on."""
AWAY_S = 0.5
"""The most that a daemon is away."""


@dataclass(slots=True, kw_only=True)
class Chaos:
    """What happens to a machine."""

    machine: Machine
    jobs: Fleet
    random: Random
    tasks: asyncio.TaskGroup
    done: Counter[str] = field(default_factory=Counter)

    told_before: int = 0
    """Epochs when a daemon was started last."""

    async def act(self) -> None:
        """Do one thing, as likely as it stands in the list."""
        # On a busy machine a zygote takes its time: a daemon that dies before it has one does
        # nothing that could go wrong.
        is_warm = self.jobs.told() > self.told_before or self.random.random() < AT_ONCE
        acts: dict[Callable[[], Awaitable[None]], float] = {
            self.kill_trainer: 6,
            self.kill_shim: 3,
            self.kill_zygote: 2,
            self.kill_daemon: 3 * is_warm,
            self.restart_machine: 1 * is_warm,
            self.stop_someone: 6,
            self.turn_clock: 2,
            self.pause: 3,
            self.cancel: 1,
        }
        (chosen,) = self.random.choices(list(acts), list(acts.values()))
        await chosen()

    async def kill_trainer(self) -> None:
        self._kill("trainer", self.machine.trainers())

    async def kill_shim(self) -> None:
        self._kill("shim", self.machine.shims())

    async def kill_zygote(self) -> None:
        """Kill one that is there: three that end before they are there fail those who wait."""
        zygote = self.machine.zygote()
        is_there = zygote is not None and title(zygote) == "finetuned zygote"
        self._kill("zygote", [zygote] if zygote is not None and is_there else [])

    async def kill_daemon(self) -> None:
        await self.machine.kill_daemon()
        self.done["daemon"] += 1
        await self._come_back()

    async def restart_machine(self) -> None:
        await self.machine.die()
        self.done["machine"] += 1
        await self._come_back()

    async def stop_someone(self) -> None:
        if found := self.machine.processes():
            victim = self.random.choice(sorted(found, key=lambda each: each.pid))
            self.done["stopped"] += 1
            seconds = self.random.uniform(*STOPPED_S)
            self.tasks.create_task(_stop(victim, seconds), name=f"stop-{victim.pid}")

    async def turn_clock(self) -> None:
        self.machine.turn_clock(self.random.uniform(-JUMP_S, JUMP_S))
        self.done["clock"] += 1

    async def pause(self) -> None:
        await self.jobs.pause(self.random.uniform(*PAUSED_S))
        self.done["paused"] += 1

    async def cancel(self) -> None:
        await self.jobs.cancel()
        self.done["cancelled"] += 1

    def _kill(self, what: str, found: list[psutil.Process]) -> None:
        if found:
            send(self.random.choice(sorted(found, key=lambda each: each.pid)), signal.SIGKILL)
            self.done[what] += 1

    async def _come_back(self) -> None:
        self.told_before = self.jobs.told()
        await asyncio.sleep(self.random.uniform(0, AWAY_S))
        await self.machine.start()


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a run came to."""

    faults: list[str]
    done: Counter[str]
    jobs: int
    epochs: int
    attempts: int
    seconds: float


async def test_some_seconds_of_all_at_random_lose_nothing(tmp_path: Path, seed: int) -> None:
    played = await play(tmp_path, seed, seconds=12.0, waiting=3)

    assert played.faults == []


@pytest.mark.chaos
@pytest.mark.timeout(2400)
async def test_10_minutes_of_all_at_random_lose_nothing(
    tmp_path: Path, seed: int, figures: Figures
) -> None:
    played = await play(tmp_path, seed, seconds=600.0, waiting=10)

    figures.tell(
        "all at random", **dict(sorted(played.done.items())),
        jobs=played.jobs, epochs=played.epochs, attempts=played.attempts,
        seconds=played.seconds, faults=len(played.faults),
    )  # fmt: skip
    assert played.faults == []


async def play(folder: Path, seed: int, *, seconds: float, waiting: int) -> Played:
    """Do one thing after the other for so long; return what does not hold in the end."""
    random, began = Random(seed), time.monotonic()
    async with machine(folder) as own:
        async with fleet(own.socket, random, drawn) as jobs:
            devices = [device.id for device in await jobs.client.devices()]
            async with asyncio.TaskGroup() as tasks:
                chaos = Chaos(machine=own, jobs=jobs, random=random, tasks=tasks)
                while time.monotonic() < began + seconds:
                    await jobs.fill(waiting)
                    await asyncio.sleep(random.uniform(*PAUSE_S))
                    await chaos.act()
            await own.listens()
            # Whoever waits for a moment that the clock has left behind waits no longer.
            own.turn_clock(-own.shift_s + JUMP_S * (1 + chaos.done["clock"]))
            await jobs.all_ended()
            played = Played(
                faults=await jobs.faults(devices),
                done=chaos.done,
                jobs=len(jobs.entries),
                epochs=jobs.told(),
                attempts=sum([len(job.attempts) for job in await jobs.jobs()]),
                seconds=time.monotonic() - began,
            )
        await own.kill_daemon()
        await own.until_empty()
    return played


def drawn(random: Random) -> dict[str, Any]:
    """Return the daemon's part of a job."""
    return {
        "retries": 100,
        "priority": random.randint(0, 3),
        "preemptible": random.random() < 0.5,
        "min_runtime": "1s",
    }


async def _stop(process: psutil.Process, seconds: float) -> None:
    send(process, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    send(process, signal.SIGCONT)
