"""Looks at a daemon again and again, and keeps what it saw."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

import psutil

from ftctl import AsyncClient, Device, Job
from tests.e2e.serving import Serving
from tests.wait import wait_until

_PAUSE_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the daemon said at one time: first of the jobs, right after of the devices."""

    jobs: Mapping[str, Job]
    devices: Mapping[str, Device]
    closed: Mapping[str, frozenset[str]]
    """Devices that were drained all the time -> the jobs that were on them at first."""

    def on(self, device: str) -> frozenset[str]:
        """Return the jobs on a device."""
        return frozenset(job.name for job in self.devices[device].jobs)

    def placed(self) -> frozenset[str]:
        """Return the jobs on any device."""
        return frozenset().union(*map(self.on, self.devices))


@dataclass(slots=True, kw_only=True)
class Watcher:
    """Sees what happens, and drains devices so that it knows since when."""

    client: AsyncClient
    daemon: psutil.Process
    moments: list[Moment] = field(default_factory=list)
    processes: set[psutil.Process] = field(default_factory=set)
    """All that the daemon ever had beneath it."""
    _drained: dict[str, frozenset[str]] = field(default_factory=dict)

    async def look(self) -> None:
        """Look once."""
        jobs = {job.name: job async for job in self.client.list(page_size=100)}
        before = dict(self._drained)
        devices = {device.id: device for device in await self.client.devices()}
        closed = {id_: on for id_, on in before.items() if self._drained.get(id_) is on}
        self.moments.append(Moment(jobs=jobs, devices=devices, closed=closed))
        self.processes.update(self.daemon.children(recursive=True))

    async def until(self, condition: Callable[[Moment], bool]) -> None:
        """Return when a moment has come that fulfils a condition."""
        await wait_until(lambda: condition(self.moments[-1]))

    async def drain(self, device: str, reason: str) -> None:
        """Have a device take no more jobs."""
        standing = await self.client.drain_device(device, reason)
        self._drained[device] = frozenset(job.name for job in standing.jobs)

    async def resume(self, device: str) -> None:
        """Have it take jobs again."""
        del self._drained[device]
        await self.client.resume_device(device)


@contextlib.asynccontextmanager
async def watching(daemon: Serving) -> AsyncIterator[Watcher]:
    """Watch a daemon inside the block."""
    watcher = Watcher(client=daemon.client, daemon=psutil.Process(daemon.process.pid))
    await watcher.look()
    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(_look_for_ever(watcher), name="watcher")
        yield watcher
        looking.cancel()


async def _look_for_ever(watcher: Watcher) -> None:
    while True:
        await watcher.look()
        await asyncio.sleep(_PAUSE_S)
