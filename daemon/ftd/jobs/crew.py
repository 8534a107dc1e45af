"""Runs jobs on devices: starts attempts, takes up those of an earlier daemon, frees the device."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import structlog

from ftd.errors import InvalidJob
from ftd.jobs import attempt, outcome, references
from ftd.jobs.attempt import Follower, Workshop
from ftd.jobs.ledger import Change, Ledger
from ftd.jobs.model import Job, JobId, JobState
from ftd.jobs.scheduler import Holding
from ftd.jobs.zygote import ZygoteGone
from fttrain.spec import rundir

log = structlog.get_logger()

START_TRIES = 3
_FOLLOW_AGAIN_S = 1.0
_How = Callable[[Follower], Awaitable[None]]


class Crew:
    """Holds the devices for the jobs that run on them."""

    def __init__(self, workshop: Workshop, devices: Iterable[str]) -> None:
        self._workshop = workshop
        self._ledger: Ledger = workshop.ledger
        self._holders: dict[str, JobId | None] = dict.fromkeys(devices)
        self._followers: dict[JobId, Follower] = {}

    def holdings(self) -> list[Holding]:
        """Return each device with the name of the job that holds it."""
        return [
            Holding(device=device, job=self._name(holder) if holder else None)
            for device, holder in self._holders.items()
        ]

    def hold(self, job_id: JobId, devices: Iterable[str]) -> None:
        """Give devices to a job, until `run` or `take_up` is through with it."""
        for device in devices:
            self._holders[device] = job_id

    def hold_any(self, job: Job) -> None:
        """Give a job that runs already as many free devices as it asked for."""
        free = [device for device, holder in self._holders.items() if holder is None]
        self.hold(job.id, free[: job.request.devices])

    def cancel(self, job_id: JobId) -> None:
        """End a job's worker, if it has one."""
        if follower := self._followers.get(job_id):
            follower.cancel()

    async def run(self, job_id: JobId) -> None:
        """Start a job's next attempt and follow it to its end."""
        async with self._released_at_end(job_id):
            started = await self._start(job_id)
            if started is not None:
                await self._follow(started, Follower.start)

    async def take_up(self, job: Job) -> None:
        """Follow an attempt of an earlier daemon to its end."""
        async with self._released_at_end(job.id):
            await self._follow(job, Follower.adopt)

    async def requeue(self, job_id: JobId) -> None:
        """Put a job whose start was lost back into the queue."""
        await self._ledger.move(
            job_id, JobState.QUEUED, only_from=[JobState.STARTING], reason="start lost"
        )

    async def _start(self, job_id: JobId) -> Job | None:
        """Bring a queued job to STARTING; None where it does not start."""
        job = self._ledger.find(job_id)
        if job is None or job.state is not JobState.QUEUED:
            return None
        run_dir = await self._prepared(job)
        if run_dir is None:
            return None

        def starting(job: Job) -> Change | None:
            if job.state is not JobState.QUEUED:
                return None
            numbered = replace(job, attempt=job.attempt + 1, run_dir=str(run_dir))
            return self._ledger.transition(numbered, JobState.STARTING)

        started = await self._ledger.change(job_id, starting)
        if started is None:  # cancelled meanwhile
            await asyncio.to_thread(shutil.rmtree, run_dir, ignore_errors=True)
        return started

    async def _prepared(self, job: Job) -> Path | None:
        """Return the run directory of the next attempt; None where the job has failed for it."""
        try:
            paths = {
                text: references.path(text, await self._ledger.store.get(ref))
                for text, ref in job.references.items()
            }
            return await asyncio.to_thread(attempt.prepare, self._workshop, job, paths)
        except InvalidJob as found:
            how = outcome.bad_recipe(found.faults)
        except OSError as error:
            how = outcome.start_failed(f"{error.filename} cannot be made: {error.strerror}")
        await self._ledger.move(job.id, JobState.FAILED, only_from=[JobState.QUEUED], outcome=how)
        return None

    async def _follow(self, job: Job, how: _How) -> None:
        """Follow an attempt to its end, by what its run directory tells where all else fails."""
        while not await self._has_followed(job, how):
            how = Follower.adopt
            await asyncio.sleep(_FOLLOW_AGAIN_S)

    async def _has_followed(self, job: Job, how: _How) -> bool:
        try:
            offset = await self._stored_up_to(job)
            # Looked at last: a cancel either shows in the state or finds the follower.
            if (now := self._ledger.find(job.id)) is not None:
                with self._follower(now, offset=offset) as follower:
                    await how(follower)
        except ZygoteGone as error:
            return await self._has_given_up(job, str(error))
        except Exception:
            log.exception("following_failed", job_id=job.id)
            return False
        return True

    async def _has_given_up(self, job: Job, why: str) -> bool:
        """Give up a start of which nothing was heard; False where its shim has begun after all."""
        if not await asyncio.to_thread(rundir.take_start, Path(job.run_dir), None):
            return False
        await self._start_lost(job, why)
        return True

    async def _stored_up_to(self, job: Job) -> int:
        """Return the place in the journal up to which it is stored as events."""
        stored = await self._ledger.store.attempts([job.id])
        return max((a.journal_offset for a in stored if a.number == job.attempt), default=0)

    @contextlib.contextmanager
    def _follower(self, job: Job, *, offset: int) -> Iterator[Follower]:
        follower = self._followers[job.id] = Follower(self._workshop, job, offset=offset)
        try:
            yield follower
        finally:
            del self._followers[job.id]

    async def _start_lost(self, job: Job, why: str) -> None:
        await self._ledger.move(
            job.id, JobState.CANCELLED,
            only_from=[JobState.CANCELLING], outcome=outcome.CANCELLED,
        )  # fmt: skip
        if job.attempt < START_TRIES:
            await self.requeue(job.id)
            return
        await self._ledger.move(
            job.id, JobState.FAILED,
            only_from=[JobState.STARTING], outcome=outcome.start_failed(why),
        )  # fmt: skip

    @contextlib.asynccontextmanager
    async def _released_at_end(self, job_id: JobId) -> AsyncIterator[None]:
        try:
            yield
        finally:
            for device, holder in self._holders.items():
                if holder == job_id:
                    self._holders[device] = None
            self._ledger.changed.set()

    def _name(self, job_id: JobId) -> str:
        job = self._ledger.find(job_id)
        return job.name if job else job_id
