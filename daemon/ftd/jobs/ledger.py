"""The jobs that have not ended, and the one door through which they change."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

import structlog

from ftd.jobs import history, jobcard, states
from ftd.jobs.broadcast import Broadcast
from ftd.jobs.model import (
    Attempt,
    Job,
    JobId,
    JobState,
    NewEvent,
    Outcome,
    OutcomeReason,
)
from ftd.jobs.store import Store

log = structlog.get_logger()
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A job as it shall be, and what happened to it."""

    job: Job
    events: Sequence[NewEvent] = ()
    attempt: Attempt | None = None


class Ledger:
    """Holds the unfinished jobs in memory as the store has them.

    Each change is decided, stored and published while nobody else changes the same job.
    """

    def __init__(
        self, store: Store, broadcast: Broadcast, clock: Clock, witness: "Witness | None" = None
    ) -> None:
        self.store = store
        self.clock = clock
        self.witness = witness
        self.changed = asyncio.Event()
        """Set when a job has come, moved or been planned; whoever waits for it clears it."""
        self._broadcast = broadcast
        self._live: dict[JobId, _Live] = {}

    def add(self, job: Job) -> None:
        """Take in an unfinished job that the store holds."""
        self._live[job.id] = _Live(job)
        if self.witness is not None:
            self.witness.on_change(None, job, self.clock())
        self.changed.set()

    def find(self, job_id: JobId) -> Job | None:
        """Return an unfinished job; None where it has ended or never was."""
        live = self._live.get(job_id)
        return live.job if live else None

    def jobs(self) -> list[Job]:
        """Return the unfinished jobs in order of submission."""
        return sorted((live.job for live in self._live.values()), key=lambda job: job.number)

    async def change(self, job_id: JobId, decide: Callable[[Job], Change | None]) -> Job | None:
        """Let `decide` change a job as it stands now; return the job as stored.

        Nothing happens where the job has ended meanwhile or `decide` returns None.
        """
        live = self._live.get(job_id)
        if live is None:
            return None
        async with live.lock:
            if job_id not in self._live:  # it ended while we waited
                return None
            job = live.job
            change = decide(job)
            if change is None:
                return job
            stored, events = await self.store.append(
                change.job, change.events, attempt=change.attempt
            )
            if stored.state.is_terminal:
                del self._live[job_id]
            live.job = stored
            if self.witness is not None:
                self.witness.on_change(job, stored, self.clock())
            self._broadcast.publish(events)
            if (stored.state, stored.plan_json) != (job.state, job.plan_json):
                self.changed.set()
            if stored.state is not job.state:
                _tell(stored)
                await asyncio.to_thread(jobcard.renew, stored)
            return stored

    async def move(
        self,
        job_id: JobId,
        to: JobState,
        *,
        only_from: Iterable[JobState],
        reason: str = "",
        outcome: Outcome | None = None,
    ) -> Job | None:
        """Bring a job into another state if it stands in one of `only_from`."""
        allowed = frozenset(only_from)

        def decide(job: Job) -> Change | None:
            if job.state not in allowed:
                return None
            return self.transition(job, to, reason=reason, outcome=outcome)

        return await self.change(job_id, decide)

    async def explain(self, job_id: JobId, reason: str) -> None:
        """Note why a queued job waits."""

        def decide(job: Job) -> Change | None:
            if job.state is not JobState.QUEUED or job.reason == reason:
                return None
            explained = replace(job, reason=reason)
            return Change(job=explained, events=[history.state_event(explained, now=self.clock())])

        await self.change(job_id, decide)

    def tell_retry(self, reason: OutcomeReason) -> None:
        """Say that a failure is followed by another attempt."""
        if self.witness is not None:
            self.witness.on_retry(reason)

    def transition(
        self, job: Job, to: JobState, *, reason: str = "", outcome: Outcome | None = None
    ) -> Change:
        """Return the change that brings a job into another state."""
        moved = states.advance(job, to, now=self.clock(), reason=reason, outcome=outcome)
        return Change(job=moved, events=[history.state_event(moved, now=self.clock())])


class Witness(Protocol):
    """Sees what happens to jobs, and changes nothing."""

    def on_change(self, before: Job | None, after: Job, now: datetime) -> None:
        """Take note of a job as it is stored. `before` is None where it is new to this daemon."""

    def on_retry(self, reason: OutcomeReason) -> None:
        """Take note of a failure that is followed by another attempt."""

    def on_start(self, job_id: JobId, *, is_warm: bool) -> None:
        """Take note of whether a worker waited for a job that is being started."""


@dataclass(slots=True)
class _Live:
    """An unfinished job, and who changes it."""

    job: Job
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def _tell(job: Job) -> None:
    ended: dict[str, Any] = {}
    if job.outcome is not None and job.end_time is not None:
        seconds = (job.end_time - (job.start_time or job.end_time)).total_seconds()
        ended = {"message": job.outcome.message, "seconds": round(seconds, 3)}
    log.info(
        "job_state_changed",
        job_id=job.id,
        name=job.name,
        attempt=job.attempt,
        state=job.state.value,
        reason=job.outcome.reason.value if job.outcome else job.reason,
        **ended,
    )
