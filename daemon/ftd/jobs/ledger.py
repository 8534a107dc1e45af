"""The jobs that have not ended, and the one door through which they change."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from ftd.jobs import history, states
from ftd.jobs.broadcast import Broadcast
from ftd.jobs.model import (
    Attempt,
    Job,
    JobId,
    JobState,
    NewEvent,
    Outcome,
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

    def __init__(self, store: Store, broadcast: Broadcast, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.changed = asyncio.Event()
        """Set after each change; whoever waits for it clears it."""
        self._broadcast = broadcast
        self._live: dict[JobId, Job] = {}
        self._locks: defaultdict[JobId, asyncio.Lock] = defaultdict(asyncio.Lock)

    def add(self, job: Job) -> None:
        """Take in an unfinished job that the store holds."""
        self._live[job.id] = job
        self.changed.set()

    def find(self, job_id: JobId) -> Job | None:
        """Return an unfinished job; None where it has ended or never was."""
        return self._live.get(job_id)

    def jobs(self) -> list[Job]:
        """Return the unfinished jobs in order of submission."""
        return sorted(self._live.values(), key=lambda job: job.number)

    async def change(self, job_id: JobId, decide: Callable[[Job], Change | None]) -> Job | None:
        """Let `decide` change a job as it stands now; return the job as stored.

        Nothing happens where the job has ended meanwhile or `decide` returns None.
        """
        async with self._locks[job_id]:
            job = self._live.get(job_id)
            change = decide(job) if job is not None else None
            if change is None:
                return job
            stored, events = await self.store.append(
                change.job, change.events, attempt=change.attempt
            )
            if stored.state.is_terminal:
                del self._live[job_id]
                self._locks.pop(job_id, None)
            else:
                self._live[job_id] = stored
            self._broadcast.publish(events)
            self.changed.set()
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

    def transition(
        self, job: Job, to: JobState, *, reason: str = "", outcome: Outcome | None = None
    ) -> Change:
        """Return the change that brings a job into another state."""
        moved = states.advance(job, to, now=self.clock(), reason=reason, outcome=outcome)
        log.info(
            "job_state_changed",
            job_id=job.id,
            attempt=job.attempt,
            state=to.value,
            reason=outcome.reason.value if outcome else reason,
        )
        return Change(job=moved, events=[history.state_event(moved, now=self.clock())])
