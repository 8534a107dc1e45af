"""Jobs on a machine of chaos, who watches them, and what must hold of them in the end."""

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from finetuned.v1 import job_service_pb2 as pb
from ftctl import (
    AsyncClient,
    DaemonUnreachable,
    DeviceState,
    EpochEnded,
    Event,
    Job,
    JobEnded,
    JobState,
    StateChanged,
    wire,
)
from ftctl.source import job_file
from tests.e2e.recipes import digits

T = TypeVar("T")
Words = Callable[[Random], dict[str, Any]]

PATIENCE_S = 120.0
AWAY_S = 0.1
"""Between two tries to reach a daemon that is away."""
CALL_S = 5.0
TWICE = 0.2
"""Share of submissions that are sent twice at once, by the same request id."""
DIVERGES, WAITS_FOR_ANOTHER = 0.08, 0.08
SHORT, LONG = (1, 4), (10, 24)
"""Epochs of a job, from and to: one that is long outlives several daemons."""
LASTS_LONG = 0.4


@dataclass(slots=True, kw_only=True)
class Entry:
    """A job, and what its watcher has seen of it."""

    id: str
    name: str
    epochs: int
    diverges: bool
    mother: "Entry | None"
    """The job that it waits for."""
    was_cancelled: bool = False
    seen: list[Event] = field(default_factory=list)
    watcher: asyncio.Task[None] | None = None

    @property
    def state(self) -> JobState:
        """Where it stands, as far as its watcher knows."""
        moves = (event.state for event in reversed(self.seen) if isinstance(event, StateChanged))
        return next(moves, JobState.QUEUED)

    @property
    def must_end(self) -> set[JobState]:
        """How it may end, once all jobs have."""
        mother_failed = self.mother is not None and self.mother.state is not JobState.SUCCEEDED
        end = JobState.FAILED if self.diverges or mother_failed else JobState.SUCCEEDED
        return {end, JobState.CANCELLED} if self.was_cancelled else {end}


@dataclass(slots=True, kw_only=True)
class Fleet:
    """Jobs that come as others end."""

    client: AsyncClient
    random: Random
    tasks: asyncio.TaskGroup
    words: Words
    """The daemon's part of the next job."""
    entries: list[Entry] = field(default_factory=list)

    def live(self) -> list[Entry]:
        """Return the jobs that have not ended as far as their watchers know."""
        return [entry for entry in self.entries if not entry.state.is_terminal]

    async def fill(self, waiting: int) -> None:
        """Submit jobs until so many wait."""
        while sum(entry.state is JobState.QUEUED for entry in self.entries) < waiting:
            await self.submit()

    async def submit(self) -> None:
        """Submit a job of any kind, and watch it."""
        drawn, live = self.random.random(), self.live()
        diverges = drawn < DIVERGES
        is_heir = not diverges and drawn < DIVERGES + WAITS_FOR_ANOTHER and live
        mother = self.random.choice(live) if is_heir else None
        epochs = self.random.randint(*(LONG if self.random.random() < LASTS_LONG else SHORT))
        job = digits(f"job-{len(self.entries)}", epochs=epochs, **self.words(self.random))
        job["after"] = [mother.id] if mother else []
        if diverges:
            job["train"]["optimizer"] = {"sgd": {"lr": 1e30}}
        entry = Entry(
            id=await self._accepted(job),
            name=job["name"], epochs=epochs, diverges=diverges, mother=mother,
        )  # fmt: skip
        self.entries.append(entry)
        entry.watcher = self.tasks.create_task(self._watch(entry), name=f"watch-{entry.name}")

    def told(self) -> int:
        """Return how many epochs the watchers have seen."""
        return sum(isinstance(each, EpochEnded) for entry in self.entries for each in entry.seen)

    async def cancel(self) -> None:
        """Cancel a job of those that have not ended."""
        if live := self.live():
            entry = self.random.choice(live)
            entry.was_cancelled = True
            await answered(lambda: self.client.cancel(entry.id))

    async def pause(self, seconds: float) -> None:
        """Pause a job of those that have not ended, and resume it after a while."""
        if live := self.live():
            job_id = self.random.choice(live).id
            with contextlib.suppress(JobEnded):
                await answered(lambda: self.client.pause(job_id))
            self.tasks.create_task(self._resume(job_id, seconds), name=f"resume-{job_id[:8]}")

    async def all_ended(self) -> None:
        """Return once every watcher has seen the end of its job."""
        await asyncio.gather(*(entry.watcher for entry in self.entries if entry.watcher))

    async def faults(self, devices: Sequence[str]) -> list[str]:
        """Return what does not hold, all jobs having ended; `devices` there were at first."""
        found = [fault for entry in self.entries for fault in await self._faults_of(entry)]
        names = Counter([job.name async for job in self.client.list()])
        if names != Counter(entry.name for entry in self.entries):
            found.append(f"there are other jobs than were submitted: {names}")
        now = await self.client.devices()
        if [device.id for device in now] != list(devices):
            found.append(f"the devices are {[device.id for device in now]}, not {devices}")
        busy = [f"{each.id} is {each.state}" for each in now if each.state is not DeviceState.FREE]
        return found + busy

    async def jobs(self) -> list[Job]:
        """Return all jobs as the daemon has them."""
        return [await self.client.get(entry.id) for entry in self.entries]

    async def _faults_of(self, entry: Entry) -> list[str]:
        job = await self.client.get(entry.id)
        told = [event async for event in self.client.watch(entry.id)]
        return [f"{entry.name}: {fault}" for fault in faults_of(entry, job, told)]

    async def _accepted(self, job: dict[str, Any]) -> str:
        """Submit until it is answered, always by the same request id, at times twice at once."""
        spec = wire.spec(job_file(job, None).request)
        request = pb.SubmitJobRequest(spec=spec, request_id=str(uuid.uuid4()))
        line = self.client._connection

        async def ask() -> str:
            return (await line.ask(line.jobs.SubmitJob, request, deadline_s=CALL_S)).job.id

        times = 2 if self.random.random() < TWICE else 1
        first, *others = await asyncio.gather(*(answered(ask) for _ in range(times)))
        assert all(each == first for each in others), "one request made two jobs"
        return first

    async def _resume(self, job_id: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        with contextlib.suppress(JobEnded):
            await answered(lambda: self.client.resume(job_id))

    async def _watch(self, entry: Entry) -> None:
        async for event in self.client.watch(entry.id):
            entry.seen.append(event)


@contextlib.asynccontextmanager
async def fleet(
    socket: Path, random: Random, words: Words = lambda random: {}
) -> AsyncIterator[Fleet]:
    """Have jobs on a daemon inside the block; all have ended behind it."""
    async with (
        AsyncClient(socket, patience_s=PATIENCE_S) as client,
        asyncio.TaskGroup() as tasks,
    ):
        yield Fleet(client=client, random=random, tasks=tasks, words=words)


async def answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until the daemon is there to answer."""
    while True:
        try:
            return await ask()
        except DaemonUnreachable:
            await asyncio.sleep(AWAY_S)


def faults_of(entry: Entry, job: Job, told: list[Event]) -> Iterator[str]:
    """Yield what does not hold of a job that has ended and told these events."""
    if job.state not in entry.must_end:
        yield f"ended {job.state}: {job.outcome.message if job.outcome else ''}"
    if [event.sequence for event in told] != list(range(1, len(told) + 1)):
        yield f"its events are {[event.sequence for event in told]}"
    if entry.seen != told:
        yield f"its watcher saw {len(entry.seen)} events of {len(told)}, or others"
    ends = [each for each in told if isinstance(each, StateChanged) and each.state.is_terminal]
    if len(ends) != 1 or ends[-1] is not told[-1]:
        yield f"it ended {len(ends)} times"
    epochs = [event.epoch.epoch for event in told if isinstance(event, EpochEnded)]
    if epochs != list(range(1, len(epochs) + 1)) or epochs != [e.epoch for e in job.epochs]:
        yield f"its epochs are {epochs}, and of the job {[e.epoch for e in job.epochs]}"
    if job.state is JobState.SUCCEEDED and len(epochs) != entry.epochs:
        yield f"it has {len(epochs)} epochs of {entry.epochs}"
    if any(attempt.end_time is None for attempt in job.attempts):
        yield "one of its attempts has no end"
