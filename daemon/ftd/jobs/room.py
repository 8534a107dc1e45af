"""Jobs that the disk has no room for: paused with that reason, and resumed when there is some.

The reason itself is the mark: it is durable, and begins with words that no other reason has.
"""

import asyncio
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from ftd.jobs.ledger import Change, Ledger
from ftd.jobs.model import Job, JobId, JobState, Outcome, OutcomeReason
from ftd.jobs.suspension import Suspension
from fttrain.events import Failed
from fttrain.spec import rundir
from fttrain.spec.rundir import ExitReport

log = structlog.get_logger()

BEGINS = "disk full: "
"""What all these reasons begin with."""
FREE_BYTES = 256 << 20
"""Must be free at least before a job goes on, beside its checkpoints."""
LOOK_S = 5.0
FIRST_WAIT_S, LONGEST_WAIT_S = 30.0, 1800.0
"""A job stays paused this long at least: what is free may be a quota's, or gone in a moment."""
_REMEDY = "Make room: `ftctl delete` or `ftd gc` remove ended jobs; it goes on by itself then."
_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What is free where a job's run directories lie, and what it needs."""

    folder: Path
    free_bytes: int
    needed_bytes: int

    @classmethod
    def of(cls, folder: Path) -> "Room":
        """Look at the folder of a job. May block: not for the event loop."""
        there = next(each for each in (folder, *folder.parents) if each.exists())
        # A checkpoint is written beside the one before, and the best beside the last.
        needed = FREE_BYTES + 2 * _largest_checkpoint(folder)
        return cls(folder=there, free_bytes=shutil.disk_usage(there).free, needed_bytes=needed)

    @property
    def is_enough(self) -> bool:
        """Whether a job can go on."""
        return self.free_bytes >= self.needed_bytes

    @property
    def reason(self) -> str:
        """Why a job is paused."""
        free, needed = self.free_bytes // _MIB, -(-self.needed_bytes // _MIB)
        return f"{BEGINS}{free} MiB free of the {needed} needed on {self.folder}"


def is_for_room(job: Job) -> bool:
    """Return whether a job is paused for want of room, and for nothing else."""
    return job.state is JobState.PAUSED and job.reason.startswith(BEGINS)


def conclude(
    state: JobState, *, failed: Failed | None, report: ExitReport | None, room: Room
) -> Suspension | None:
    """Return what becomes of a job whose worker found no room; None where it ended otherwise."""
    is_told = failed is not None and failed.reason == "disk_full"
    # Where there was no room even to say so, its exit code does.
    is_shown = failed is None and report is not None and report.exit_code == rundir.DISK_FULL
    if state is JobState.CANCELLING or not (is_told or is_shown):
        return None
    message = failed.message if failed is not None else f"There is no room on {room.folder}."
    how = Outcome(
        reason=OutcomeReason.DISK_FULL, message=message, remedy=_REMEDY,
        exit_code=report.exit_code if report is not None else None,
    )  # fmt: skip
    return Suspension(state=JobState.PAUSED, reason=room.reason, how=how)


@dataclass(slots=True)
class _Wait:
    until: float
    seconds: float


@dataclass(slots=True, kw_only=True)
class Watch:
    """Puts jobs back into the queue when there is room for them."""

    ledger: Ledger
    runs: Path
    now: Callable[[], float] = time.monotonic
    _waits: dict[JobId, _Wait] = field(default_factory=dict)

    async def for_ever(self) -> None:
        """Look now and then, as long as the daemon runs."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Resume the jobs for which there is room; one at a time, for it is used up at once."""
        jobs = self.ledger.jobs()
        known = {job.id for job in jobs}
        self._waits = {job_id: wait for job_id, wait in self._waits.items() if job_id in known}
        for job in filter(is_for_room, jobs):
            if self.now() < self._wait(job).until:
                continue
            room = await asyncio.to_thread(Room.of, self.runs / job.id)
            if room.is_enough:
                await self._resume(job)
                return

    def _wait(self, job: Job) -> _Wait:
        """Return how long a job waits, each time longer than the time before."""
        wait = self._waits.get(job.id)
        if wait is None:
            wait = _Wait(self.now() + FIRST_WAIT_S, FIRST_WAIT_S)
            self._waits[job.id] = wait
        elif wait.until == float("-inf"):  # it had been resumed, and is paused again
            wait.seconds = min(wait.seconds * 2, LONGEST_WAIT_S)
            wait.until = self.now() + wait.seconds
        return wait

    async def _resume(self, job: Job) -> None:
        def resumed(now: Job) -> Change | None:
            if not is_for_room(now):
                return None
            return self.ledger.transition(now, JobState.QUEUED, reason="there is room again")

        log.info("job_resumed", job_id=job.id, name=job.name, why="there is room again")
        self._waits[job.id].until = float("-inf")
        await self.ledger.change(job.id, resumed)


def _largest_checkpoint(folder: Path) -> int:
    sizes = [0]
    for path in folder.glob("*/checkpoints/**/*.safetensors"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:  # replaced right now
            continue
    return max(sizes)
