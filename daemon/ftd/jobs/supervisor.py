"""Brings every job to its end: plans, starts, follows, cancels, and takes up what it finds."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import Any

import structlog

from ftd.devices.inventory import Device
from ftd.errors import AmbiguousJobId, InvalidJob, JobNotFound, PlannerUnavailable
from ftd.jobs import outcome, references
from ftd.jobs.attempt import Workshop
from ftd.jobs.broadcast import Broadcast
from ftd.jobs.crew import Crew
from ftd.jobs.journals import Journals
from ftd.jobs.ledger import Change, Clock, Ledger
from ftd.jobs.model import EventKind, Job, JobId, JobRequest, JobState, NewEvent, Outcome
from ftd.jobs.planning import PlanFaults, Planning
from ftd.jobs.scheduler import Pending, decide
from ftd.jobs.store import Store
from ftd.jobs.zygote import Zygote
from fttrain.spec import faults, rundir

log = structlog.get_logger()

AGAIN_S = 5.0
"""After a failure of the daemon's own, such as a full disk."""
_WEIGHTS = "model.weights"
_Work = Callable[[], Coroutine[Any, Any, None]]


def utc_now() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fact:
    """What others need to know of a job that they wait for."""

    name: str
    state: JobState


class Supervisor:
    """The daemon's hand: every RPC that changes something ends here."""

    def __init__(
        self,
        *,
        store: Store,
        broadcast: Broadcast,
        zygote: Zygote,
        devices: Sequence[Device],
        state_dir: Path,
        clock: Clock = utc_now,
    ) -> None:
        self.store = store
        self.broadcast = broadcast
        self._ledger = Ledger(store, broadcast, clock)
        self._zygote = zygote
        self._devices = {device.id: device for device in devices}
        self._state_dir = state_dir
        self._planning = Planning(
            zygote, folder=state_dir / "plans", cpus=max(device.cpus for device in devices)
        )
        self._plan_tasks: dict[JobId, asyncio.Task[None]] = {}
        self._facts: dict[JobId, _Fact] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._tasks: asyncio.TaskGroup
        self._crew: Crew

    @property
    def device_count(self) -> int:
        """Number of devices of this machine."""
        return len(self._devices)

    @property
    def zygote_pid(self) -> int:
        """Process id of the zygote."""
        return self._zygote.pid

    def running(self) -> list[Job]:
        """Return the jobs that hold a device."""
        return [job for job in self._ledger.jobs() if job.state is not JobState.QUEUED]

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator["Supervisor"]:
        """Do the work inside the block; behind it the jobs go on without this daemon."""
        async with self._zygote.running(), Journals.watching() as journals:
            workshop = Workshop(
                ledger=self._ledger,
                zygote=self._zygote,
                journals=journals,
                runs=self._state_dir / "runs",
            )
            self._crew = Crew(workshop, self._devices)
            async with asyncio.TaskGroup() as tasks, contextlib.AsyncExitStack() as stack:
                self._tasks = tasks
                await self._take_up()
                self._begin(self._schedule_for_ever, name="scheduler")
                stack.callback(self._stop)
                yield self

    # --- what users ask for ---------------------------------------------------------------

    async def submit(self, request: JobRequest, *, request_id: str) -> Job:
        """Accept a job: it is durable when this returns."""
        named = references.of(faults.parse(request.recipe_json))
        job, events = await self.store.submit(
            request, request_id=request_id, now=self._ledger.clock(), references=named
        )
        if events:
            self._ledger.add(job)
            self.broadcast.publish(events)
            log.info("job_submitted", job_id=job.id, name=job.name)
        return job

    async def validate(self, request: JobRequest) -> Job:
        """Plan a job without storing it. What needs an unfinished job's result is not planned."""
        named = references.of(faults.parse(request.recipe_json))
        found: list[faults.Fault] = []
        for position, ref in enumerate(request.after):
            await self._named(ref, f"after[{position}]", found)
        jobs = await self._referenced(named, found)
        now = self._ledger.clock()
        job = Job(
            id="", number=0, request=request, after_ids=(), references={},
            state=JobState.QUEUED, create_time=now,
        )  # fmt: skip
        waits = [each.name for each in jobs.values() if not each.state.is_terminal]
        if waits:
            return replace(job, reason=f"plan waits for {', '.join(waits)}")
        plan_json = await self._plan(request.recipe_json, jobs)
        return replace(job, plan_json=plan_json)

    async def plan(self, recipe_json: str) -> str:
        """Plan a recipe; return the plan as JSON text."""
        named = references.of(faults.parse(recipe_json))
        return await self._plan(recipe_json, await self._referenced(named, []))

    async def cancel(self, ref: str) -> Job:
        """End a job. Returns at once; an ended job stays as it is."""
        job = await self.store.get(ref)
        await self._ledger.change(job.id, self._cancelled)
        if planning := self._plan_tasks.get(job.id):
            planning.cancel()
        self._crew.cancel(job.id)
        return await self.store.get(job.id)

    def _cancelled(self, job: Job) -> Change | None:
        match job.state:
            case JobState.QUEUED | JobState.PAUSED:
                return self._ledger.transition(job, JobState.CANCELLED, outcome=outcome.CANCELLED)
            case JobState.STARTING | JobState.RUNNING:
                return self._ledger.transition(job, JobState.CANCELLING)
        return None

    async def _referenced(
        self, named: Mapping[str, str], found: list[faults.Fault]
    ) -> dict[str, Job]:
        """Return the jobs of references.

        Raises:
            InvalidJob: where there is none, with the faults found before.
        """
        jobs = {text: await self._named(ref, _WEIGHTS, found) for text, ref in named.items()}
        if found:
            raise InvalidJob(found)
        return {text: job for text, job in jobs.items() if job is not None}

    async def _named(self, ref: str, field: str, found: list[faults.Fault]) -> Job | None:
        try:
            return await self.store.get(ref)
        except (JobNotFound, AmbiguousJobId) as error:
            found.append(faults.Fault(field=field, description=str(error)))
            return None

    async def _plan(self, recipe_json: str, jobs: Mapping[str, Job]) -> str:
        """Plan with the files of jobs that have ended."""
        paths = {text: references.path(text, job) for text, job in jobs.items()}
        try:
            return await self._planning.plan(recipe_json, paths)
        except PlanFaults as found:
            raise InvalidJob(found.faults) from None

    # --- the schedule ---------------------------------------------------------------------

    async def _schedule_for_ever(self) -> None:
        while True:
            await self._ledger.changed.wait()
            self._ledger.changed.clear()
            await self._safely(self._schedule)

    async def _schedule(self) -> None:
        queued = [job for job in self._ledger.jobs() if job.state is JobState.QUEUED]
        pending = [each for job in queued if (each := await self._look_at(job)) is not None]
        decision = decide(pending, self._crew.holdings())
        for job_id, devices in decision.starts.items():
            self._crew.hold(job_id, devices)
            self._begin(partial(self._crew.run, job_id), name=f"run-{job_id[:8]}")
        # All at once, so that they are stored in one go: a long queue must not hold up the next.
        await asyncio.gather(*starmap(self._ledger.explain, decision.reasons.items()))

    async def _look_at(self, job: Job) -> Pending | None:
        """Return a queued job as the scheduler sees it; None where it cannot ever run."""
        waits_for = []
        for other in job.after_ids:
            fact = await self._fact(other)
            if not fact.state.is_terminal:
                waits_for.append(fact.name)
            elif fact.state is not JobState.SUCCEEDED:
                how = outcome.dependency_failed(fact.name, fact.state)
                await self._fail(job.id, how)
                return None
        needed = [await self._fact(other) for other in job.references.values()]
        plan_needs = tuple(fact.name for fact in needed if not fact.state.is_terminal)
        if not job.plan_json and not plan_needs and job.id not in self._plan_tasks:
            task = self._begin(partial(self._plan_job, job), name=f"plan-{job.id[:8]}")
            self._plan_tasks[job.id] = task
        return Pending(
            id=job.id,
            number=job.number,
            priority=job.request.priority,
            is_planned=bool(job.plan_json),
            waits_for=tuple(waits_for),
            plan_needs=plan_needs,
            devices=job.request.devices,
        )

    async def _fact(self, job_id: JobId) -> _Fact:
        if live := self._ledger.find(job_id):
            return _Fact(name=live.name, state=live.state)
        if job_id not in self._facts:
            job = await self.store.get(job_id)
            self._facts[job_id] = _Fact(name=job.name, state=job.state)
        return self._facts[job_id]

    async def _fail(self, job_id: JobId, how: Outcome) -> None:
        await self._ledger.move(
            job_id, JobState.FAILED, only_from=[JobState.QUEUED, JobState.STARTING], outcome=how
        )

    async def _plan_job(self, job: Job) -> None:
        try:
            jobs = {text: await self.store.get(ref) for text, ref in job.references.items()}
            plan_json = await self._plan(job.request.recipe_json, jobs)
        except InvalidJob as found:
            await self._fail(job.id, outcome.bad_recipe(found.faults))
        except PlannerUnavailable as error:
            await self._fail(job.id, outcome.start_failed(str(error)))
        else:
            await self._ledger.change(job.id, lambda job: self._planned(job, plan_json))
        finally:
            del self._plan_tasks[job.id]

    def _planned(self, job: Job, plan_json: str) -> Change | None:
        if job.state is not JobState.QUEUED:
            return None
        body: dict[str, Any] = {"plan_json": plan_json}
        event = NewEvent(
            kind=EventKind.PLANNED, time=self._ledger.clock(), attempt=job.attempt, body=body
        )
        return Change(job=replace(job, plan_json=plan_json), events=[event])

    # --- beginning and end ----------------------------------------------------------------

    async def _take_up(self) -> None:
        """Find the jobs that an earlier daemon left, and go on with each where it stands."""
        for leftover in (self._state_dir / "plans").glob("planning-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        for job in await self.store.unfinished():
            self._ledger.add(job)
            if job.state in (JobState.QUEUED, JobState.PAUSED):
                continue
            if job.state is JobState.STARTING and _never_began(job):
                await self._crew.requeue(job.id)
                continue
            self._crew.hold_any(job)
            self._begin(partial(self._crew.take_up, job), name=f"take-up-{job.id[:8]}")

    def _begin(self, work: _Work, *, name: str) -> asyncio.Task[None]:
        """Run a piece of work until it is done or the daemon stops."""
        task = self._tasks.create_task(self._safely(work), name=name)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    async def _safely(self, work: _Work) -> None:
        """Do a piece of work. Its failure (a full disk, a bug) ends neither daemon nor jobs:

        it is told, and some time later the scheduler looks again at what is to be done.
        """
        try:
            await work()
        except Exception:
            log.exception("work_failed")
            await asyncio.sleep(AGAIN_S)
            self._ledger.changed.set()

    def _stop(self) -> None:
        """End the daemon's own tasks; workers and shims go on by themselves."""
        for task in self._work:
            task.cancel()


def _never_began(job: Job) -> bool:
    """Give a start up that the daemon before left behind; False where its shim has begun."""
    run_dir = Path(job.run_dir)
    try:
        return rundir.take_start(run_dir, None) or rundir.read_shim(run_dir) is None
    except FileNotFoundError:  # somebody took the run directory away
        return True
