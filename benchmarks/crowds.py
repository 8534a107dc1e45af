"""Processes full of watchers, and what they tell."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ftctl import AsyncClient

_LOOK_S = 0.5
_LINE_BYTES = 2**27


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What watchers have seen since they were asked last."""

    late_s: Sequence[float]
    """From when the trainer had written an event to when a watcher had it."""
    events: Sequence[int]
    """How many, watcher by watcher."""
    last: Sequence[int]
    """Number of the last event, watcher by watcher."""
    cuts: Sequence[int]
    """How often the daemon cut a watcher, since it watches."""
    gaps: int
    """Events that were not the one behind the one before, since all watch."""

    def late_ms(self, share: float) -> float:
        """Return how late events are at most, but for a share of them, in milliseconds."""
        ranked = sorted(self.late_s)
        return 1000 * ranked[min(int(len(ranked) * share), len(ranked) - 1)]


class Crowd:
    """Watchers of one job."""

    def __init__(self, processes: Sequence[asyncio.subprocess.Process]) -> None:
        self._processes = processes

    @classmethod
    @contextlib.asynccontextmanager
    async def of(
        cls, count: int, *, socket: Path, job: str, processes: int = 1
    ) -> AsyncIterator["Crowd"]:
        """Have so many stand by inside the block; `say` has them watch."""
        each = (str(socket), job, str(count // processes))
        started = [await _started(*each) for _ in range(processes)]
        try:
            crowd = cls(started)
            await crowd.say("tell")  # all have started
            yield crowd
        finally:
            for process in started:
                process.kill()
                await process.wait()

    async def say(self, line: str) -> Told:
        """Say a line to all; return their answers as one."""
        told = await asyncio.gather(*(_answer(each, line) for each in self._processes))
        return Told(
            late_s=[late for each in told for late in each["late_s"]],
            events=[count for each in told for count in each["events"]],
            last=[last for each in told for last in each["last"]],
            cuts=[count for each in told for count in each["cuts"]],
            gaps=sum(each["gaps"] for each in told),
        )

    async def watch(self, client: AsyncClient, job: str) -> None:
        """Have all watch from now on; return when all are where the job is."""
        begin = await last_sequence(client, job)
        await self.say(f"on {begin}")
        await self.reach(begin + 1)
        await self.reach(await last_sequence(client, job))

    async def reach(self, sequence: int) -> None:
        """Return when all have seen an event; forget what they have seen until then."""
        told = await self.say("tell")
        while min(told.last) < sequence:
            await asyncio.sleep(_LOOK_S)
            told = await self.say("tell")

    def cpu_s(self) -> float:
        """Return the processor time that the clients have taken."""
        return sum(cpu_s(each.pid) for each in self._processes)


async def last_sequence(client: AsyncClient, job: str) -> int:
    """Return the number of a job's latest event, by a list: that tells no epochs."""
    (found,) = [each async for each in client.list() if each.id == job]
    return found.last_sequence


async def _started(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.watching", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
    )


async def _answer(process: asyncio.subprocess.Process, line: str) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n".encode())
    return json.loads(await process.stdout.readline())


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has taken, in seconds."""
    return sum(psutil.Process(pid).cpu_times()[:2])
