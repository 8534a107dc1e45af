"""Takes jobs off their devices and lets them go on later: for their users, or for other jobs."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog

from ftd.errors import JobEnded
from ftd.jobs import history, suspension
from ftd.jobs.callers import Caller
from ftd.jobs.crew import Crew
from ftd.jobs.ledger import Change, Ledger
from ftd.jobs.model import Job, JobId, JobState
from ftd.jobs.work import Begin
from fttrain.spec import rundir

log = structlog.get_logger()

GRACE_S = 60.0
"""What a worker gets to keep a checkpoint; then it is ended, and goes on from the one before."""
_HAS_WORKER = (JobState.STARTING, JobState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What shall become of a job once its attempt has ended."""

    attempt: int
    """During which it was said; it holds for no other."""
    paused_by: str = ""
    preempted_by: str = ""
    """Both empty: it shall go on after all."""


class Pausing:
    """Pauses and resumes jobs.

    What a worker is asked for lies in its run directory: it outlives the daemon. What was wished
    is kept here beside it, for attempts that end in another way just then.
    """

    def __init__(self, ledger: Ledger, crew: Crew, begin: Begin) -> None:
        self._ledger = ledger
        self._crew = crew
        self._begin = begin
        self._wishes: dict[JobId, _Wish] = {}

    async def pause(self, ref: str, *, caller: Caller) -> Job:
        """Take a job off its devices, or hold it back from them. Returns at once.

        Raises:
            JobEnded
        """
        job = await self._unfinished(ref, caller, to="pause")
        log.info("job_pausing", job_id=job.id, name=job.name, user=caller.user)
        while True:
            if job.state in _HAS_WORKER:
                await self._ask(job, _Wish(attempt=job.attempt, paused_by=caller.user))
            paused = partial(self._paused, attempt=job.attempt, user=caller.user)
            now = await self._ledger.change(job.id, paused)
            if now is None:
                return await self._unfinished(job.id, caller, to="pause")
            if now.state not in _HAS_WORKER or now.attempt == job.attempt:
                return now
            job = now  # it was started in between

    async def resume(self, ref: str, *, caller: Caller) -> Job:
        """Put a paused job back into the queue, or call off that it is paused. Returns at once.

        Raises:
            JobEnded
        """
        job = await self._unfinished(ref, caller, to="resume")
        if job.state is JobState.PAUSED or self._is_pausing(job):
            log.info("job_resumed", job_id=job.id, name=job.name, user=caller.user)
            self._wishes[job.id] = _Wish(attempt=job.attempt)
            if job.run_dir:
                await asyncio.to_thread(rundir.call_off_pause, Path(job.run_dir))
            await self._ledger.change(job.id, self._resumed)
        return await self._ledger.store.get(job.id)

    def make_room(self, job_id: JobId, *, for_: JobId) -> None:
        """Have a job that runs go back into the queue, for the sake of another one."""
        job, other = self._ledger.find(job_id), self._ledger.find(for_)
        if job is None or other is None:
            return
        name = other.name if other.user == job.user else "another user's job"
        # From here on it counts as leaving: nobody is asked to go twice.
        wish = _Wish(attempt=job.attempt, preempted_by=name)
        self._wishes[job_id] = wish
        log.info("job_preempted", job_id=job_id, name=job.name, by=other.name)
        self._begin(partial(self._make_room, job, wish), name=f"preempt-{job_id[:8]}")

    def is_leaving(self, job: Job) -> bool:
        """Return whether a job that has devices is about to give them back."""
        wish = self._wish(job)
        is_asked = wish is not None and bool(wish.paused_by or wish.preempted_by)
        return job.state is JobState.CANCELLING or is_asked

    def reason(self, job_id: JobId, reason: str) -> str:
        """Return why a job waits: where another one has taken its place, that too."""
        job = self._ledger.find(job_id)
        wish = self._wish(job) if job is not None else None
        if wish is None or not wish.preempted_by:
            return reason
        return f"{suspension.preempted_by(wish.preempted_by)}; {reason}"

    async def settle(self) -> None:
        """Have all jobs stand as was wished whose attempt ended in another way meanwhile."""
        for job_id, wish in list(self._wishes.items()):
            job = self._ledger.find(job_id)
            if job is None or job.attempt != wish.attempt or job.state is JobState.CANCELLING:
                del self._wishes[job_id]
            elif job.state not in _HAS_WORKER and not wish.preempted_by:
                del self._wishes[job_id]
                change = self._resumed
                if wish.paused_by:
                    change = partial(self._paused, attempt=wish.attempt, user=wish.paused_by)
                await self._ledger.change(job_id, change)

    async def take_up(self, jobs: Iterable[Job]) -> None:
        """Know again what an earlier daemon was asked for."""
        for job in jobs:
            if job.state in (*_HAS_WORKER, JobState.QUEUED) and job.run_dir:
                note = await asyncio.to_thread(rundir.read_pause, Path(job.run_dir))
                if note is not None:
                    self._wishes[job.id] = _Wish(
                        attempt=job.attempt,
                        paused_by=note.asked_by,
                        preempted_by="" if note.asked_by else note.preempted_by,
                    )
                    self._wait_for(job)

    # --- jobs with a worker -----------------------------------------------------------------

    async def _make_room(self, job: Job, wish: _Wish) -> None:
        if self._wishes.get(job.id) is not wish:
            return  # its user has said something else meanwhile
        await self._ask(job, wish)
        reason = f"makes room for {wish.preempted_by}"
        await self._ledger.change(
            job.id, lambda now: self._explained(now, reason) if now.state in _HAS_WORKER else None
        )

    async def _ask(self, job: Job, wish: _Wish) -> None:
        """Ask a job's worker to keep a checkpoint and to end."""
        self._wishes[job.id] = wish
        try:
            await asyncio.to_thread(
                rundir.ask_to_pause,
                Path(job.run_dir),
                preempted_by=wish.preempted_by,
                asked_by=wish.paused_by,
            )
        except OSError:
            del self._wishes[job.id]  # nobody asked it: it is not to be counted on
            raise
        self._wait_for(job)

    def _wait_for(self, job: Job) -> None:
        if job.state in _HAS_WORKER:
            self._begin(partial(self._end_late, job), name=f"grace-{job.id[:8]}")

    async def _end_late(self, job: Job) -> None:
        """End a worker that does not end by itself: a step, or loading its data, may take long."""
        await asyncio.sleep(GRACE_S)
        now = self._ledger.find(job.id)
        if now is not None and now.attempt == job.attempt and self._is_asked(now):
            log.warning("pause_forced", job_id=job.id, attempt=job.attempt, after_s=GRACE_S)
            self._crew.cancel(job.id)

    # --- what becomes of jobs ---------------------------------------------------------------

    async def _unfinished(self, ref: str, caller: Caller, *, to: str) -> Job:
        job = await self._ledger.store.get(ref, only_of=caller.only_of)
        if job.state.is_terminal:
            raise JobEnded(
                f"job {job.name} is {job.state.value} and has ended, there is nothing to {to}; "
                "submit it again to have it run again"
            )
        return self._ledger.find(job.id) or job

    def _paused(self, job: Job, *, attempt: int, user: str) -> Change | None:
        reason = suspension.paused_by(user)
        match job.state:
            case JobState.QUEUED:
                return self._ledger.transition(job, JobState.PAUSED, reason=reason)
            case JobState.PAUSED:  # maybe for want of room on the disk: now it stays so
                is_users = job.reason.startswith(suspension.paused_by(""))
                return None if is_users else self._explained(job, reason)
            case JobState.STARTING | JobState.RUNNING if job.attempt == attempt:
                return self._explained(job, suspension.PAUSING)
        return None

    def _resumed(self, job: Job) -> Change | None:
        match job.state:
            case JobState.PAUSED:
                return self._ledger.transition(job, JobState.QUEUED, reason=suspension.RESUMED)
            case JobState.STARTING | JobState.RUNNING if job.reason:
                return self._explained(job, "")
        return None

    def _explained(self, job: Job, reason: str) -> Change | None:
        if job.reason == reason:
            return None
        explained = replace(job, reason=reason)
        event = history.state_event(explained, now=self._ledger.clock())
        return Change(job=explained, events=[event])

    def _is_pausing(self, job: Job) -> bool:
        wish = self._wish(job)
        return wish is not None and bool(wish.paused_by)

    def _is_asked(self, job: Job) -> bool:
        return job.state in _HAS_WORKER and self.is_leaving(job)

    def _wish(self, job: Job) -> _Wish | None:
        """Return what is wished of a job as it stands."""
        wish = self._wishes.get(job.id)
        return wish if wish is not None and wish.attempt == job.attempt else None
