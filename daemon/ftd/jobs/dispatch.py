"""Plans queued jobs, decides which start, and says why the others wait."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import Any

from ftd.errors import InvalidJob, PlannerUnavailable
from ftd.jobs import outcome, references, retrying
from ftd.jobs.crew import Crew
from ftd.jobs.fleet import Fleet
from ftd.jobs.ledger import Change, Ledger
from ftd.jobs.model import DatasetUse, EventKind, Job, JobId, JobState, NewEvent, Outcome
from ftd.jobs.pausing import Pausing
from ftd.jobs.planning import PlanFaults, Planning
from ftd.jobs.policy import Decision, Pending, decide
from ftd.jobs.preemption import Holder, preempt
from ftd.jobs.work import Begin
from fttrain.spec import basing, faults


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fact:
    """What others need to know of a job that they wait for."""

    name: str
    state: JobState


class Dispatch:
    """Brings queued jobs on their way."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        planning: Planning,
        fleet: Fleet,
        crew: Crew,
        pausing: Pausing,
        begin: Begin,
        versions: Path,
    ) -> None:
        """`versions` is the folder of all pushed data sets."""
        self._ledger = ledger
        self._planning = planning
        self._fleet = fleet
        self._crew = crew
        self._pausing = pausing
        self._begin = begin
        self._versions = versions
        self._plan_tasks: dict[JobId, asyncio.Task[None]] = {}
        self._facts: dict[JobId, _Fact] = {}

    async def plan(
        self,
        recipe_json: str,
        jobs: Mapping[str, Job],
        datasets: Sequence[DatasetUse],
        *,
        devices: int = 1,
        base: str = "",
    ) -> str:
        """Plan a recipe for so many devices, with the files of jobs that have ended.

        `base` is the named recipe that it was based on; faults of what came from there say so.

        Raises:
            InvalidJob: with the faults that the planner found.
            PlannerUnavailable
        """
        paths = {text: references.path(text, job) for text, job in jobs.items()}
        paths |= references.dataset_paths(datasets, self._versions)
        try:
            return await self._planning.plan(recipe_json, paths, self._fleet.means(devices))
        except PlanFaults as found:
            told = basing.attributed(found.faults, base, faults.parse(recipe_json))
            raise InvalidJob(told) from None

    def give_up_plan(self, job_id: JobId) -> None:
        """End the planner of a job, if it has one."""
        if planning := self._plan_tasks.get(job_id):
            planning.cancel()

    async def look(self) -> float | None:
        """Start what can start; return in how many seconds to look again if nothing changes."""
        await self._pausing.settle()
        queue = self._queue()
        pending = [each for job in queue if (each := await self._pending(job)) is not None]
        needed = {other for job in queue for other in (*job.after_ids, *job.references.values())}
        self._facts = {other: fact for other, fact in self._facts.items() if other in needed}
        now = self._ledger.clock()
        decision = self._decide(pending, now)
        for job_id, devices in decision.starts.items():
            if (job := self._ledger.find(job_id)) is not None:
                self._fleet.hold(job, devices)
                self._begin(partial(self._crew.run, job_id), name=f"run-{job_id[:8]}")
        told = {job.id: job.reason for job in self._ledger.jobs()}
        news = [item for item in decision.reasons.items() if told.get(item[0]) != item[1]]
        # All at once, so that they are stored in one go: a long queue must not hold up the next.
        await asyncio.gather(*starmap(self._ledger.explain, news))
        return (decision.wake - now).total_seconds() if decision.wake else None

    def _decide(self, pending: Sequence[Pending], now: datetime) -> Decision:
        """Decide what starts, and have make room for it what must."""
        places = self._fleet.places()
        decision = decide(pending, places, now)
        room = preempt(decision, pending, places, self._holders(), now)
        for victim, job_id in room.asks.items():
            self._pausing.make_room(victim, for_=job_id)
        reasons = {
            job_id: self._pausing.reason(job_id, reason)
            for job_id, reason in {**decision.reasons, **room.reasons}.items()
        }
        wake = min(filter(None, (decision.wake, room.wake)), default=None)
        return replace(decision, reasons=reasons, wake=wake)

    def _holders(self) -> list[Holder]:
        """Return the jobs that have devices, if one of them might make room for another."""
        with_worker = (JobState.STARTING, JobState.RUNNING, JobState.CANCELLING)
        jobs = [job for job in self._ledger.jobs() if job.state in with_worker]
        if not any(job.request.is_preemptible for job in jobs):
            return []
        return [
            Holder(
                id=job.id,
                priority=job.request.priority,
                is_preemptible=job.request.is_preemptible,
                min_runtime_s=job.request.min_runtime_s,
                since=self._crew.since(job.id) if job.state is JobState.RUNNING else None,
                is_leaving=self._pausing.is_leaving(job),
            )
            for job in jobs
        ]

    def _queue(self) -> list[Job]:
        """Return the queued jobs, without those that have their devices and are being started."""
        placed = self._fleet.guests()
        return [
            job
            for job in self._ledger.jobs()
            if job.state is JobState.QUEUED and job.id not in placed
        ]

    async def _pending(self, job: Job) -> Pending | None:
        """Return a queued job as the policy sees it; None where it cannot ever run."""
        waits_for = []
        for other in job.after_ids:
            fact = await self._fact(other)
            if not fact.state.is_terminal:
                waits_for.append(fact.name)
            elif fact.state is not JobState.SUCCEEDED:
                await self._fail(job.id, outcome.dependency_failed(fact.name, fact.state))
                return None
        needed = [await self._fact(other) for other in job.references.values()]
        plan_needs = tuple(fact.name for fact in needed if not fact.state.is_terminal)
        if not job.plan_json and not plan_needs and job.id not in self._plan_tasks:
            task = self._begin(partial(self._plan_job, job), name=f"plan-{job.id[:8]}")
            self._plan_tasks[job.id] = task
        is_backing_off = retrying.waits(job.retry_time, self._ledger.clock())
        return Pending(
            id=job.id,
            number=job.number,
            priority=job.request.priority,
            is_planned=bool(job.plan_json),
            waits_for=tuple(waits_for),
            plan_needs=plan_needs,
            devices=job.request.devices,
            memory_bytes=job.request.memory_bytes,
            not_before=job.request.not_before,
            user=job.user,
            retry_time=job.retry_time if is_backing_off else None,
            retry_reason=job.reason,
        )

    async def _fact(self, job_id: JobId) -> _Fact:
        if live := self._ledger.find(job_id):
            return _Fact(name=live.name, state=live.state)
        if job_id not in self._facts:
            job = await self._ledger.store.get(job_id)
            self._facts[job_id] = _Fact(name=job.name, state=job.state)
        return self._facts[job_id]

    async def _fail(self, job_id: JobId, how: Outcome) -> None:
        await self._ledger.move(
            job_id, JobState.FAILED, only_from=[JobState.QUEUED, JobState.STARTING], outcome=how
        )

    async def _plan_job(self, job: Job) -> None:
        try:
            store = self._ledger.store
            jobs = {text: await store.get(ref) for text, ref in job.references.items()}
            plan_json = await self.plan(
                job.request.recipe_json,
                jobs,
                job.datasets,
                devices=job.request.devices,
                base=job.request.base,
            )
        except InvalidJob as found:
            await self._fail(job.id, outcome.bad_recipe(found.faults))
        except PlannerUnavailable as error:
            await self._fail(job.id, outcome.start_failed(str(error)))
        else:
            await self._ledger.change(job.id, lambda job: self._planned(job, plan_json))
        finally:
            del self._plan_tasks[job.id]

    def _planned(self, job: Job, plan_json: str) -> Change | None:
        if job.state not in (JobState.QUEUED, JobState.PAUSED):
            return None
        body: dict[str, Any] = {"plan_json": plan_json}
        event = NewEvent(
            kind=EventKind.PLANNED, time=self._ledger.clock(), attempt=job.attempt, body=body
        )
        return Change(job=replace(job, plan_json=plan_json), events=[event])
