"""Runs jobs on devices: starts attempts, takes up those of an earlier daemon, frees the device."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import structlog

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
            if started is not None and started.state is JobState.STARTING:
                await self._follow(started)

    async def take_up(self, job: Job) -> None:
        """Follow an attempt of an earlier daemon to its end."""
        async with self._released_at_end(job.id):
            await self._adopt(job)

    async def requeue(self, job_id: JobId) -> None:
        """Put a job whose start was lost back into the queue."""
        await self._ledger.move(
            job_id, JobState.QUEUED, only_from=[JobState.STARTING], reason="start lost"
        )

    async def _start(self, job_id: JobId) -> Job | None:
        job = self._ledger.find(job_id)
        if job is None or job.state is not JobState.QUEUED:
            return None
        paths = {
            text: references.path(text, await self._ledger.store.get(ref))
            for text, ref in job.references.items()
        }
        run_dir = await asyncio.to_thread(attempt.prepare, self._workshop, job, paths)

        def starting(job: Job) -> Change | None:
            if job.state is not JobState.QUEUED:
                return None
            numbered = replace(job, attempt=job.attempt + 1, run_dir=str(run_dir))
            return self._ledger.transition(numbered, JobState.STARTING)

        return await self._ledger.change(job_id, starting)

    async def _follow(self, job: Job) -> None:
        with self._follower(job, offset=0) as follower:
            now = self._ledger.find(job.id)
            if now is not None and now.state is JobState.CANCELLING:
                follower.cancel()
            try:
                await follower.start()
                return
            except ZygoteGone as error:
                if rundir.read_shim(Path(job.run_dir)) is None:
                    await self._start_lost(job, str(error))
                    return
                # It began, only the answer was lost.
            except Exception:
                log.exception("following_failed", job_id=job.id)
        await self._adopt(job)

    async def _adopt(self, job: Job) -> None:
        """Follow by what the run directory tells, again and again where that fails."""
        while (now := self._ledger.find(job.id)) is not None:
            with self._follower(now, offset=await self._stored_up_to(now)) as follower:
                try:
                    await follower.adopt()
                    return
                except Exception:
                    log.exception("following_failed", job_id=job.id)
            await asyncio.sleep(_FOLLOW_AGAIN_S)

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
