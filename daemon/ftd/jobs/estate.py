"""What an earlier daemon left: its jobs are found again, and each goes on where it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from ftd.jobs.attempt import gone_since
from ftd.jobs.crew import Crew
from ftd.jobs.fleet import Fleet
from ftd.jobs.ledger import Ledger
from ftd.jobs.model import Job, JobId, JobState
from ftd.jobs.pausing import Pausing
from ftd.jobs.work import Begin
from fttrain.spec import rundir

log = structlog.get_logger()

_WAITING = (JobState.QUEUED, JobState.PAUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """The jobs of an earlier daemon, and those who take them up."""

    ledger: Ledger
    fleet: Fleet
    crew: Crew
    pausing: Pausing
    begin: Begin
    runs: Path
    """The folder of all run directories."""

    async def take_up(self) -> None:
        """Find all jobs that have not ended, and go on with each."""
        store = self.ledger.store
        if (before := await store.settle(self.runs)) is not None:
            log.info("state_moved", before=str(before), now=str(self.runs))
        await store.end_attempts_of_ended_jobs()
        jobs = await store.unfinished()
        held = await self._held([job.id for job in jobs])
        await self._empty(except_of=jobs)
        for job in jobs:
            self.ledger.add(job)
        await self.pausing.take_up(jobs)
        for job in jobs:
            if job.state in _WAITING or (job.state is JobState.STARTING and _never_began(job)):
                await self._let_wait(job)
            else:
                self.fleet.hold(job, held.get(job.id, ()))
                self.crew.expect(job)
                self.begin(partial(self.crew.take_up, job), name=f"take-up-{job.id[:8]}")

    async def _held(self, job_ids: Sequence[JobId]) -> dict[JobId, tuple[str, ...]]:
        """Return the devices that each job's latest attempt holds."""
        attempts = await self.ledger.store.attempts(job_ids)
        return {attempt.job_id: attempt.devices for attempt in attempts}

    async def _empty(self, *, except_of: Sequence[Job]) -> None:
        """End what attempts have left behind that are over; it holds their devices until then."""
        under_way = {each.id for each in except_of if each.state not in _WAITING}
        for job_id in await self.crew.end_leftovers(except_of=under_way):
            self.begin(partial(self.crew.release_when_empty, job_id), name=f"empty-{job_id[:8]}")

    async def _let_wait(self, job: Job) -> None:
        """Have a job wait on; the daemon before may have ended right before it could do so."""
        await self.crew.requeue(job.id)
        if job.attempt:
            ended = gone_since(Path(job.run_dir)) or self.ledger.clock()
            await self.ledger.store.end_attempts(job.id, ended)


def _never_began(job: Job) -> bool:
    """Give a start up that the daemon before left behind; False where its shim has begun."""
    run_dir = Path(job.run_dir)
    try:
        return rundir.take_start(run_dir, None) or rundir.read_shim(run_dir) is None
    except FileNotFoundError:  # somebody took the run directory away
        return True
