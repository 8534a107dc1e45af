"""A small supervisor: real store, real broadcast, and jobs that a test moves by hand."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ftd.errors import InvalidJob, JobEnded
from ftd.jobs import references
from ftd.jobs.blueprints import Blueprints
from ftd.jobs.broadcast import Broadcast
from ftd.jobs.callers import Caller
from ftd.jobs.depot import Depot
from ftd.jobs.evaluating import Evaluating
from ftd.jobs.fleet import Fleet, Standing
from ftd.jobs.history import state_event
from ftd.jobs.model import Event, Job, JobRequest, JobState, NewEvent, Outcome, OutcomeReason
from ftd.jobs.plotting import Plotting
from ftd.jobs.predicting import Predicting
from ftd.jobs.roots import EVERYWHERE
from ftd.jobs.similarity import Similarity
from ftd.jobs.states import advance
from ftd.jobs.store import HOUSE, Store
from fttrain.spec import faults, rundir
from fttrain.spec.faults import Fault
from tests.fakes.assessor import Assessor
from tests.fakes.devices import make_devices
from tests.fakes.draughtsman import Draughtsman
from tests.fakes.jobs import NOW, at
from tests.fakes.likener import Likener
from tests.fakes.oracle import Oracle

PLAN = '{"format":1}'
COMPLETED = Outcome(reason=OutcomeReason.COMPLETED, message="trained to the end")
CANCELLED = Outcome(reason=OutcomeReason.CANCELLED_BY_USER, message="cancelled")


class FakeOffice:
    """Takes jobs and does nothing with them until it is told."""

    def __init__(
        self,
        store: Store,
        broadcast: Broadcast | None = None,
        *,
        predictions: Path = Path("/nowhere"),
        datasets: Path = Path("/nowhere"),
    ) -> None:
        self.store = store
        self.broadcast = broadcast or Broadcast(store)
        self.devices = make_devices(2)
        self.fleet = Fleet(self.devices, {})
        self.jobs: dict[str, Job] = {}
        self.plan_faults: Sequence[Fault] = ()
        self.oracle = Oracle()
        self.predicting = Predicting(self.oracle, folder=predictions)
        self.plotting = Plotting(Draughtsman(), folder=predictions)
        self.evaluating = Evaluating(Assessor(), folder=predictions)
        self.likener = Likener()
        self.similarity = Similarity(self.likener, folder=predictions)
        self.datasets = Depot(datasets, store.datasets)
        self.blueprints = Blueprints(
            Draughtsman(), folder=predictions, store=store, versions=self.datasets.versions
        )
        self.pausing = FakePausing(self)
        self.roots = EVERYWHERE
        self.state_dir = Path("/")
        self.start_time = NOW

    def running(self) -> list[Job]:
        waiting = (JobState.QUEUED, JobState.PAUSED)
        return [
            job
            for job in self.jobs.values()
            if not job.state.is_terminal and job.state not in waiting
        ]

    async def submit(self, request: JobRequest, *, request_id: str, caller: Caller = HOUSE) -> Job:
        used = references.dataset_of(faults.parse(request.recipe_json))
        job, events = await self.store.submit(
            request, request_id=request_id, now=NOW, references={}, dataset=used, caller=caller
        )
        self.jobs[job.id] = job
        self.broadcast.publish(events)
        return job

    async def validate(self, request: JobRequest, *, caller: Caller = HOUSE) -> Job:
        return Job(
            id="", number=0, request=request, after_ids=(), references={},
            state=JobState.QUEUED, create_time=NOW, plan_json=await self.plan(request.recipe_json),
        )  # fmt: skip

    async def plan(self, recipe_json: str, *, caller: Caller = HOUSE) -> str:
        if self.plan_faults:
            raise InvalidJob(self.plan_faults)
        return PLAN

    async def cancel(self, ref: str, *, caller: Caller = HOUSE) -> Job:
        job = await self.store.get(ref, only_of=caller.only_of)
        if job.state.is_terminal:
            return job
        return await self.move(job.id, JobState.CANCELLED, outcome=CANCELLED)

    async def finish(self, ref: str, *, caller: Caller = HOUSE) -> Job:
        job = await self.store.get(ref, only_of=caller.only_of)
        await asyncio.to_thread(rundir.ask_to_finish, Path(job.run_dir))
        return job

    async def delete(self, ref: str, *, caller: Caller = HOUSE) -> None:
        job = await self.store.get(ref, only_of=caller.only_of)
        await self.store.delete(job.id, only_of=caller.only_of)

    def now(self) -> datetime:
        return NOW

    async def look_at_devices(self) -> list[Standing]:
        return self.fleet.standings()

    async def drain(self, ref: str, *, reason: str) -> Standing:
        device = self.fleet.find(ref)
        self.fleet.drain(device, reason)
        return self.fleet.standing(device)

    async def resume(self, ref: str) -> Standing:
        device = self.fleet.find(ref)
        self.fleet.resume(device)
        return self.fleet.standing(device)

    async def happen(self, job_id: str, *events: NewEvent) -> list[Event]:
        """Let things happen to a job."""
        job, stored = await self.store.append(self.jobs[job_id], events)
        self.jobs[job_id] = job
        self.broadcast.publish(stored)
        return stored

    async def move(self, job_id: str, *states: JobState, outcome: Outcome = COMPLETED) -> Job:
        """Bring a job through states."""
        for state in states:
            job = self.jobs[job_id]
            now = at(job.last_sequence)
            told = outcome if state.is_terminal else None
            self.jobs[job_id] = advance(job, state, now=now, outcome=told)
            await self.happen(job_id, state_event(self.jobs[job_id], now=now))
        return self.jobs[job_id]

    async def start(self, job_id: str, run_dir: str = "/runs/1") -> Job:
        """Bring a queued job to RUNNING in a run directory."""
        job = self.jobs[job_id]
        self.jobs[job_id] = replace(job, attempt=job.attempt + 1, run_dir=run_dir)
        return await self.move(job_id, JobState.STARTING, JobState.RUNNING)

    async def succeed(self, job_id: str) -> Job:
        """End a running job as asked."""
        return await self.move(job_id, JobState.SUCCEEDED)


class FakePausing:
    """Pauses jobs at once."""

    def __init__(self, office: FakeOffice) -> None:
        self._office = office

    async def pause(self, ref: str, *, caller: Caller) -> Job:
        return await self._moved(ref, JobState.PAUSED, caller)

    async def resume(self, ref: str, *, caller: Caller) -> Job:
        return await self._moved(ref, JobState.QUEUED, caller)

    async def _moved(self, ref: str, state: JobState, caller: Caller) -> Job:
        job = await self._office.store.get(ref, only_of=caller.only_of)
        if job.state.is_terminal:
            raise JobEnded(f"job {job.name} has ended")
        return job if job.state is state else await self._office.move(job.id, state)
