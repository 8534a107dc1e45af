"""Brings every job to its end: plans, starts, follows, cancels, and takes up what it finds."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog

from ftd.devices.model import Device, Inventory
from ftd.devices.telemetry import Telemetry
from ftd.errors import JobNotRunning
from ftd.jobs import cgroup, leftovers, needs, outcome, references
from ftd.jobs.attempt import Workshop
from ftd.jobs.blueprints import Blueprints
from ftd.jobs.broadcast import Broadcast
from ftd.jobs.callers import Caller
from ftd.jobs.crew import Crew
from ftd.jobs.depot import LIMIT_BYTES, Depot
from ftd.jobs.dispatch import Dispatch
from ftd.jobs.estate import Estate
from ftd.jobs.evaluating import Evaluating
from ftd.jobs.figures import JobFigures
from ftd.jobs.fleet import Fleet, Standing
from ftd.jobs.journals import Journals
from ftd.jobs.ledger import Change, Clock, Ledger, Witness
from ftd.jobs.model import Job, JobRequest, JobState
from ftd.jobs.pausing import Pausing
from ftd.jobs.planning import Planning
from ftd.jobs.plotting import Plotting
from ftd.jobs.predicting import Predicting
from ftd.jobs.room import Watch
from ftd.jobs.roots import EVERYWHERE, Roots
from ftd.jobs.silence import STALL_S
from ftd.jobs.similarity import Similarity
from ftd.jobs.store import HOUSE, NO_LIMITS, Store
from ftd.jobs.store.writes import QueueLimits
from ftd.jobs.sweep import Sweep
from ftd.jobs.work import Work
from ftd.jobs.zygote import Zygote
from fttrain.spec import faults, rundir

log = structlog.get_logger()

AGAIN_S = 5.0
"""After a failure of the daemon's own, such as a full disk."""
CLOCK_S = 60.0
"""The time of day may be set, and the machine may sleep: a moment is looked for this often."""


def utc_now() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


class Supervisor:
    """The daemon's hand: every RPC that changes something ends here."""

    def __init__(
        self,
        *,
        store: Store,
        broadcast: Broadcast,
        zygote: Zygote,
        inventory: Inventory,
        state_dir: Path,
        clock: Clock = utc_now,
        limits: QueueLimits = NO_LIMITS,
        witness: Witness | None = None,
        roots: Roots = EVERYWHERE,
        dataset_limit_bytes: int = LIMIT_BYTES,
        cache_bytes: int | None = None,
        stall_s: float = STALL_S,
    ) -> None:
        self.store = store
        self.broadcast = broadcast
        self.ledger = Ledger(store, broadcast, clock, witness)
        self.zygote = zygote
        self.predicting = Predicting(zygote, folder=state_dir / "predictions")
        self.plotting = Plotting(zygote, folder=state_dir / "plots")
        self.evaluating = Evaluating(zygote, folder=state_dir / "evaluations")
        self.similarity = Similarity(zygote, folder=state_dir / "similarities")
        self.datasets = Depot(
            state_dir / "datasets", store.datasets, limit_bytes=dataset_limit_bytes
        )
        self.blueprints = Blueprints(
            zygote, folder=state_dir / "plans", store=store, versions=self.datasets.versions
        )
        self._inventory = inventory
        self.state_dir = state_dir
        self.roots = roots
        self.start_time = clock()
        self._limits = limits
        self._stall_s = stall_s
        self._cache_bytes = cache_bytes
        self._work: set[asyncio.Task[None]] = set()
        self._tasks: asyncio.TaskGroup
        self._fleet: Fleet
        self._crew: Crew
        self._dispatch: Dispatch
        self.pausing: Pausing
        self.telemetry: Telemetry

    @property
    def devices(self) -> Sequence[Device]:
        """The devices of this machine."""
        return self._inventory.devices

    @property
    def zygote_pid(self) -> int:
        """Process id of the zygote."""
        return self.zygote.pid

    @property
    def is_zygote_up(self) -> bool:
        """Whether workers can be forked."""
        return self.zygote.is_ready

    @property
    def watchers(self) -> int:
        """Number of clients that follow a job."""
        return self.broadcast.watchers

    def holders(self) -> list[JobFigures]:
        """Return the jobs that hold devices."""
        states = (JobState.STARTING, JobState.RUNNING, JobState.CANCELLING)
        return [self.figures(job) for job in self.ledger.jobs() if job.state in states]

    def figures(self, job: Job) -> JobFigures:
        """Return what is known of a job beside its own record."""
        return JobFigures(
            job=job,
            devices=self._fleet.held_by(job.id),
            device_seconds=self._crew.device_seconds(job.id),
            memory=self.telemetry.jobs.get(job.id),
            journal_bytes=self._crew.journal_bytes(job.id),
        )

    def now(self) -> datetime:
        """Return the time of day."""
        return self.ledger.clock()

    def running(self) -> list[Job]:
        """Return the jobs that hold a device."""
        waits = (JobState.QUEUED, JobState.PAUSED)
        return [job for job in self.ledger.jobs() if job.state not in waits]

    def _most_cached(self) -> int:
        """Return what jobs may keep for one another, in bytes."""
        if self._cache_bytes is not None:
            return self._cache_bytes
        return shutil.disk_usage(self.state_dir).total // 10

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator["Supervisor"]:
        """Do the work inside the block; behind it the jobs go on without this daemon."""
        groups = await asyncio.to_thread(cgroup.open_groups, self.state_dir)
        zygote = self.zygote.running(groups.environment)
        async with zygote, Journals.watching() as journals:
            workshop = Workshop(
                ledger=self.ledger,
                zygote=self.zygote,
                journals=journals,
                runs=self.state_dir / "runs",
                versions=self.datasets.versions,
                sweep=Sweep(groups),
                cache=self.state_dir / "cache",
                cache_bytes=self._most_cached(),
                stall_s=self._stall_s,
            )
            self._fleet = Fleet(self.devices, await self.store.drains())
            self._crew = Crew(workshop, self._fleet, self._inventory, lambda: self.telemetry.look())
            self.pausing = Pausing(self.ledger, self._crew, self._begin)
            self._dispatch = Dispatch(
                ledger=self.ledger,
                planning=Planning(self.zygote, folder=self.state_dir / "plans"),
                fleet=self._fleet,
                crew=self._crew,
                pausing=self.pausing,
                begin=self._begin,
                versions=self.datasets.versions,
            )
            self.telemetry = Telemetry(
                self._inventory, self._crew.tenants, changed=self.ledger.changed.set
            )
            self._fleet.readings = lambda: self.telemetry.readings
            async with asyncio.TaskGroup() as tasks, contextlib.AsyncExitStack() as stack:
                self._tasks = tasks
                await self._take_up()
                self._begin(self.telemetry.run, name="telemetry")
                self._begin(self._schedule_for_ever, name="scheduler")
                self._begin(self._sweep_for_ever, name="datasets")
                room = Watch(ledger=self.ledger, runs=self.state_dir / "runs")
                self._begin(room.for_ever, name="room")
                sweep = partial(leftovers.sweep_runs, self.state_dir / "runs", self.store)
                self._begin(sweep, name="leftovers")
                stack.callback(self.datasets.close)
                stack.callback(self._stop)
                yield self

    # --- what users ask for ---------------------------------------------------------------

    async def submit(self, request: JobRequest, *, request_id: str, caller: Caller = HOUSE) -> Job:
        """Accept a job: it is durable when this returns."""
        recipe = faults.parse(request.recipe_json)
        job, events = await self.store.submit(
            request, request_id=request_id, now=self.now(), references=references.of(recipe),
            dataset=references.dataset_of(recipe), caller=caller, limits=self._limits,
        )  # fmt: skip
        if events:
            self.ledger.add(job)
            self.broadcast.publish(events)
            log.info("job_submitted", job_id=job.id, name=job.name, user=job.user)
        return job

    async def validate(self, request: JobRequest, *, caller: Caller = HOUSE) -> Job:
        """Plan a job without storing it. What needs an unfinished job's result is not planned."""
        recipe = faults.parse(request.recipe_json)
        needed = await needs.find(self.store, recipe, caller, request.after)
        job = Job(
            id="", number=0, request=request, after_ids=(), references={},
            datasets=needed.datasets, user=caller.user, state=JobState.QUEUED,
            create_time=self.now(),
        )  # fmt: skip
        waits = [each.name for each in needed.jobs.values() if not each.state.is_terminal]
        if waits:
            return replace(job, reason=f"plan waits for {', '.join(waits)}")
        plan_json = await self._dispatch.plan(
            request.recipe_json, needed.jobs, needed.datasets, devices=request.devices,
            base=request.base,
        )  # fmt: skip
        return replace(job, plan_json=plan_json)

    async def plan(self, recipe_json: str, *, caller: Caller = HOUSE) -> str:
        """Plan a recipe; return the plan as JSON text."""
        needed = await needs.find(self.store, faults.parse(recipe_json), caller)
        return await self._dispatch.plan(recipe_json, needed.jobs, needed.datasets)

    async def cancel(self, ref: str, *, caller: Caller = HOUSE) -> Job:
        """End a job. Returns at once; an ended job stays as it is."""
        job = await self.store.get(ref, only_of=caller.only_of)
        await self.ledger.change(job.id, self._cancelled)
        self._dispatch.give_up_plan(job.id)
        self._crew.cancel(job.id)
        return await self.store.get(job.id)

    async def finish(self, ref: str, *, caller: Caller = HOUSE) -> Job:
        """Have a job end after the epoch in progress; an ended job stays as it is.

        Raises:
            JobNotRunning: where it has not begun to train.
        """
        job = await self.store.get(ref, only_of=caller.only_of)
        if job.state is JobState.PAUSED:
            raise JobNotRunning(
                f"job {job.name} is paused: `ftctl resume {job.name}` has it train on, after which "
                f"this can be asked; `ftctl cancel {job.name}` ends it now"
            )
        if job.state is JobState.QUEUED:
            raise JobNotRunning(
                f"job {job.name} is {job.state.value} and has not begun to train; "
                f"`ftctl cancel {job.name}` ends it"
            )
        if job.state in (JobState.STARTING, JobState.RUNNING):
            await asyncio.to_thread(rundir.ask_to_finish, Path(job.run_dir))
            log.info("job_finishing", job_id=job.id, name=job.name, user=caller.user)
        return await self.store.get(job.id)

    async def delete(self, ref: str, *, caller: Caller = HOUSE) -> None:
        """Delete an ended job with all that it has made.

        Raises:
            JobNotEnded, JobInUse
        """
        job = await self.store.get(ref, only_of=caller.only_of)
        await self.store.delete(job.id, only_of=caller.only_of)
        log.info("job_deleted", job_id=job.id, name=job.name, user=caller.user)
        # The record first: what a crash leaves of the files is swept at the next start.
        folder = self.state_dir / "runs" / job.id
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def look_at_devices(self) -> list[Standing]:
        """Return each device as it stands right now."""
        await self.telemetry.look()
        return self._fleet.standings()

    def standings(self) -> list[Standing]:
        """Return each device as it stood at the last look."""
        return self._fleet.standings()

    async def drain(self, ref: str, *, reason: str) -> Standing:
        """Have a device take no more jobs, until it is resumed; those on it go on."""
        device = self._fleet.find(ref)
        await self.store.drain(device.uuid, reason, self.now())
        self._fleet.drain(device, reason)
        return self._moved(device, "device_drained", reason=reason)

    async def resume(self, ref: str) -> Standing:
        """Have a drained device take jobs again."""
        device = self._fleet.find(ref)
        await self.store.resume(device.uuid)
        self._fleet.resume(device)
        return self._moved(device, "device_resumed")

    def _moved(self, device: Device, event: str, **told: str) -> Standing:
        log.info(event, device=device.id, **told)
        self.ledger.changed.set()
        return self._fleet.standing(device)

    def _cancelled(self, job: Job) -> Change | None:
        match job.state:
            case JobState.QUEUED | JobState.PAUSED:
                return self.ledger.transition(job, JobState.CANCELLED, outcome=outcome.CANCELLED)
            case JobState.STARTING | JobState.RUNNING:
                return self.ledger.transition(job, JobState.CANCELLING)
        return None

    # --- beginning and end ----------------------------------------------------------------

    async def _schedule_for_ever(self) -> None:
        # Before the first look nothing is known of ill devices and of what others hold.
        await self.telemetry.look()
        again: float | None = None
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(again):
                    await self.ledger.changed.wait()
            self.ledger.changed.clear()
            again = None
            try:
                if (again := await self._dispatch.look()) is not None:
                    again = min(again, CLOCK_S)
            except Exception:
                log.exception("scheduling_failed")
                again = AGAIN_S

    async def _sweep_for_ever(self) -> None:
        while True:
            await self._safely(self.datasets.sweep_for_ever)

    async def _take_up(self) -> None:
        """Go on with what an earlier daemon left."""
        leftovers.remove((self.state_dir / "plans").glob("planning-*"))
        self.predicting.clear()
        self.plotting.clear()
        self.evaluating.clear()
        self.similarity.clear()
        estate = Estate(
            ledger=self.ledger, fleet=self._fleet, crew=self._crew, pausing=self.pausing,
            begin=self._begin, runs=self.state_dir / "runs",
        )  # fmt: skip
        await estate.take_up()

    def _begin(self, work: Work, *, name: str) -> asyncio.Task[None]:
        """Run a piece of work until it is done or the daemon stops."""
        task = self._tasks.create_task(self._safely(work), name=name)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    async def _safely(self, work: Work) -> None:
        """Do a piece of work. Its failure (a full disk, a bug) ends neither daemon nor jobs:

        it is told, and some time later the scheduler looks again at what is to be done.
        """
        try:
            await work()
        except Exception:
            log.exception("work_failed")
            await asyncio.sleep(AGAIN_S)
            self.ledger.changed.set()

    def _stop(self) -> None:
        """End the daemon's own tasks; workers and shims go on by themselves."""
        for task in self._work:
            task.cancel()
