"""Runs jobs on devices: starts attempts, takes up those of an earlier daemon, frees devices."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import structlog

from ftd.devices.model import Inventory, Tenant
from ftd.errors import InvalidJob
from ftd.jobs import attempt, disk, outcome, references, retrying
from ftd.jobs.attempt import Berth, Follower, Workshop
from ftd.jobs.fleet import Fleet
from ftd.jobs.ledger import Change, Ledger
from ftd.jobs.model import Attempt, Job, JobId, JobState
from ftd.jobs.room import Room
from ftd.jobs.zygote import ZygoteGone
from fttrain.spec import rundir

log = structlog.get_logger()

_FOLLOW_AGAIN_S = 1.0
_How = Callable[[Follower], Awaitable[None]]


class Crew:
    """Runs jobs on the devices that the schedule has given them."""

    def __init__(
        self,
        workshop: Workshop,
        fleet: Fleet,
        inventory: Inventory,
        look: Callable[[], Awaitable[None]],
    ) -> None:
        """`look` has the devices looked at anew."""
        self._workshop = workshop
        self._ledger: Ledger = workshop.ledger
        self._fleet = fleet
        self._inventory = inventory
        self._look = look
        self._adopted: dict[JobId, int] = {}
        """Process ids of shims of an earlier daemon that nobody follows yet."""
        self._followers: dict[JobId, Follower] = {}
        self._attempts: dict[JobId, Sequence[Attempt]] = {}
        self._gone: dict[JobId, datetime] = {}
        """When processes ended that were gone when this daemon came."""

    def tenants(self) -> list[Tenant]:
        """Return the jobs whose processes run, with the root of these."""
        followed = {job_id: each.pid for job_id, each in self._followers.items()}
        return [
            Tenant(job_id=job_id, pid=pid, devices=self._fleet.held_by(job_id))
            for job_id, pid in {**self._adopted, **followed}.items()
            if pid is not None
        ]

    def expect(self, job: Job) -> None:
        """Know of the processes of a job that `take_up` is about to follow."""
        shim = rundir.read_shim(Path(job.run_dir))
        if shim is not None and shim.is_alive:
            self._adopted[job.id] = shim.pid

    def device_seconds(self, job_id: JobId) -> float:
        """Return for how long a running job has held devices, over all its attempts."""
        now = self._up_to(job_id)
        attempts = self._attempts.get(job_id, ())
        return sum(each.seconds(now) * len(each.devices) for each in attempts)

    def since(self, job_id: JobId) -> datetime | None:
        """Return when the attempt that is followed got its devices; None where nobody is."""
        attempts = self._attempts.get(job_id)
        return attempts[-1].start_time if attempts else None

    def journal_bytes(self, job_id: JobId) -> int | None:
        """Return how much of a job's journal is stored as events; None where nobody follows it."""
        follower = self._followers.get(job_id)
        return follower.journal_bytes if follower is not None else None

    def cancel(self, job_id: JobId) -> None:
        """End a job's worker, if it has one."""
        if follower := self._followers.get(job_id):
            follower.cancel()

    async def run(self, job_id: JobId) -> None:
        """Start a job's next attempt and follow it to its end."""
        async with self._released_at_end(job_id):
            # A daemon that dies before its first zygote is there must not cost jobs an attempt.
            with contextlib.suppress(ZygoteGone):
                await self._workshop.zygote.until_ready()
            started = await self._start(job_id)
            if started is not None:
                await self._follow(started, Follower.start)

    async def take_up(self, job: Job) -> None:
        """Follow an attempt of an earlier daemon to its end. Its devices are the caller's care."""
        async with self._released_at_end(job.id):
            if gone := await asyncio.to_thread(attempt.gone_since, Path(job.run_dir)):
                self._gone[job.id] = gone
            await self._follow(job, Follower.adopt)

    async def end_leftovers(self, *, except_of: Collection[JobId]) -> list[JobId]:
        """End what attempts that are over left behind in the days of earlier daemons.

        Returns the jobs of which something could not be ended; they hold their devices again.
        """
        sweep, store = self._workshop.sweep, self._ledger.store
        jobs = await sweep.end_all(self._workshop.runs, except_of=except_of)
        resisting = [job_id for job_id in jobs if sweep.left(job_id)]
        for current in {each.job_id: each for each in await store.attempts(resisting)}.values():
            self._fleet.hold(await store.get(current.job_id), current.devices)
        return resisting

    async def release_when_empty(self, job_id: JobId) -> None:
        """Hold the devices of a job that has ended until what is left of it is gone."""
        async with self._released_at_end(job_id):
            pass

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
            attempt = Attempt(
                job_id=job.id,
                number=numbered.attempt,
                run_dir=numbered.run_dir,
                devices=self._fleet.held_by(job.id),
                start_time=self._ledger.clock(),
            )
            return replace(self._ledger.transition(numbered, JobState.STARTING), attempt=attempt)

        started = await self._ledger.change(job_id, starting)
        if started is None or started.run_dir != str(run_dir):  # cancelled or paused meanwhile
            await asyncio.to_thread(shutil.rmtree, run_dir, ignore_errors=True)
            return None
        return started

    async def _prepared(self, job: Job) -> Path | None:
        """Return the run directory of the next attempt; None where the job has failed for it."""
        try:
            paths = {
                text: references.path(text, await self._ledger.store.get(ref))
                for text, ref in job.references.items()
            }
            paths |= references.dataset_paths(job.datasets, self._workshop.versions)
            berth = self._berth(job.id)
            return await asyncio.to_thread(attempt.prepare, self._workshop, job, paths, berth)
        except InvalidJob as found:
            how = outcome.bad_recipe(found.faults)
        except OSError as error:
            if disk.is_full(error):
                await self._without_room(job)
                return None
            how = outcome.start_failed(f"{error.filename} cannot be made: {error.strerror}")
        await self._ledger.move(job.id, JobState.FAILED, only_from=[JobState.QUEUED], outcome=how)
        return None

    async def _without_room(self, job: Job) -> None:
        space = await asyncio.to_thread(Room.of, self._workshop.runs / job.id)
        await self._ledger.move(
            job.id, JobState.PAUSED, only_from=[JobState.QUEUED], reason=space.reason
        )

    def _berth(self, job_id: JobId) -> Berth:
        devices = self._fleet.held_by(job_id)
        cores = {core for device in devices for core in self._fleet.devices[device].cores}
        return Berth(
            devices=devices,
            environment=self._inventory.environment(devices),
            cores=tuple(sorted(cores)),
        )

    async def _follow(self, job: Job, how: _How) -> None:
        """Follow an attempt to its end, by what its run directory tells where all else fails."""
        while not await self._has_followed(job, how):
            how = Follower.adopt
            await asyncio.sleep(_FOLLOW_AGAIN_S)

    async def _has_followed(self, job: Job, how: _How) -> bool:
        try:
            try:
                await self._follow_once(job, how)
            except ZygoteGone as error:
                return await self._has_given_up(job, str(error))
        except Exception:
            log.exception("following_failed", job_id=job.id)
            return False
        return True

    async def _follow_once(self, job: Job, how: _How) -> None:
        attempts = await self._ledger.store.attempts([job.id])
        # Looked at last: a cancel either shows in the state or finds the follower.
        if (now := self._ledger.find(job.id)) is not None:
            with self._follower(now, attempts) as follower:
                await how(follower)

    async def _has_given_up(self, job: Job, why: str) -> bool:
        """Give up a start of which nothing was heard; False where its shim has begun after all."""
        if not await asyncio.to_thread(rundir.take_start, Path(job.run_dir), None):
            return False
        await self._start_lost(job, why)
        return True

    @contextlib.contextmanager
    def _follower(self, job: Job, attempts: Sequence[Attempt]) -> Iterator[Follower]:
        current = next(each for each in attempts if each.number == job.attempt)
        gone = self._gone.get(job.id)
        follower = Follower(self._workshop, job, current, gone=gone)
        self._followers[job.id] = follower
        self._attempts[job.id] = attempts
        self._adopted.pop(job.id, None)
        clock = self._time_out(job, attempts, follower)
        try:
            yield follower
        finally:
            clock.cancel()
            del self._followers[job.id], self._attempts[job.id]

    def _time_out(
        self, job: Job, attempts: Sequence[Attempt], follower: Follower
    ) -> asyncio.Handle:
        """Have the job end when its time is up."""
        loop = asyncio.get_running_loop()
        if job.request.timeout_s is None:
            return loop.call_soon(lambda: None)
        now = self._up_to(job.id)
        left = job.request.timeout_s - sum(each.seconds(now) for each in attempts)
        return loop.call_later(max(left, 0), follower.time_out)

    def _up_to(self, job_id: JobId) -> datetime:
        """Return the present, or the end of a job's processes that no daemon was there to see."""
        return self._gone.get(job_id) or self._ledger.clock()

    async def _start_lost(self, job: Job, why: str) -> None:
        await self._ledger.move(
            job.id, JobState.CANCELLED,
            only_from=[JobState.CANCELLING], outcome=outcome.CANCELLED,
        )  # fmt: skip
        fruitful = await self._ledger.store.fruitful_attempt(job.id)
        if retrying.goes_on_after_loss(attempt=job.attempt, fruitful=fruitful):
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
            # Not where the daemon stops: then the worker goes on and holds what it has.
            await self._emptied(job_id)
        finally:
            self._fleet.release(job_id)
            self._adopted.pop(job_id, None)
            end_time = self._up_to(job_id)
            self._gone.pop(job_id, None)
        # Where something failed, whoever began this says after a while that all has changed.
        self._ledger.changed.set()
        await self._ledger.store.end_attempts(job_id, end_time)

    async def _emptied(self, job_id: JobId) -> None:
        """Return once nothing of a job is left.

        Looks once more at cards that come back: what is still held there is not given out.
        """
        while left := self._workshop.sweep.left(job_id):
            if self._fleet.detain(job_id, [str(each) for each in left]):
                self._ledger.changed.set()
            await asyncio.sleep(_FOLLOW_AGAIN_S)
            await self._workshop.sweep.end_again(job_id)
        if any(self._fleet.devices[device].is_card for device in self._fleet.held_by(job_id)):
            await self._look()
