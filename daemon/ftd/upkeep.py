"""What the daemon does for its own state by itself: backups, and the removal of old jobs."""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from ftd import backup
from ftd.config import Config
from ftd.jobs import cleaning, disk
from ftd.jobs.cleaning import Limits
from ftd.jobs.store.engine import open_engines
from ftd.release import version

log = structlog.get_logger()

FIRST_S = 60.0
"""After the start, when jobs have been taken up."""
AGAIN_S = 600.0
"""What is due is looked for this often."""
_EVERY = timedelta(hours=1)
Clock = Callable[[], datetime]


@contextlib.asynccontextmanager
async def working(config: Config, clock: Clock) -> AsyncIterator[None]:
    """Keep the state directory in order inside the block."""
    async with asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(_for_ever(Upkeep(config, clock)), name="upkeep")
        try:
            yield
        finally:
            keeper.cancel()


class Upkeep:
    """Backups and old jobs of one state directory. Its work may block: not for the event loop."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._state = config.state_dir
        self._every = config.backup_every
        self._limits = limits(config)
        self._clock = clock
        self._cleaned: datetime | None = None

    def look(self) -> None:
        """Do what is due. A failure that was foreseen is told and leaves the rest."""
        now = self._clock()
        if self._every is not None and self._is_backup_due(now, self._every):
            self._back_up(now)
        if self._cleaned is None or abs(now - self._cleaned) >= _EVERY:
            self._cleaned = now
            self._clean(now)

    def _is_backup_due(self, now: datetime, every: timedelta) -> bool:
        made = backup.in_state(self._state)
        last = backup.time_of(made[0]) if made else None
        # One from the future was made by a clock that has been set right since.
        return last is None or not timedelta() <= now - last < every

    def _back_up(self, now: datetime) -> None:
        database, place = self._state / backup.DATABASE, _place(self._state, now)
        need = database.stat().st_size + disk.RESERVE_BYTES
        if (free := disk.free_bytes(self._state)) < need:
            log.warning("backup_left_out", free_bytes=free, needed_bytes=need)
            return
        try:
            made = backup.write(database, place, now=now, version=version())
            backup.tidy(self._state)
        except (OSError, sqlite3.Error) as error:
            log.exception("backup_failed", place=str(place), error=str(error))
            return
        log.info("backup_made", place=str(place), jobs=made.jobs)

    def _clean(self, now: datetime) -> None:
        try:
            cleaning.sweep(self._state, cleaning.litter(self._state, now))
            if not self._limits.are_none:
                clean(self._state, self._limits, now)
        except (OSError, sqlite3.Error) as error:
            log.exception("cleaning_failed", error=str(error))


def limits(config: Config) -> Limits:
    """Return what the configuration lets ended jobs take."""
    return Limits(age=config.gc_age, keep=config.gc_keep, size_bytes=config.gc_size)


def clean(state: Path, said: Limits, now: datetime) -> None:
    """Remove the jobs that the limits let go, and tell each."""
    writer, reader = open_engines(state / backup.DATABASE, readers=1)
    try:
        with reader.begin() as connection:
            jobs = cleaning.doomed(connection, state / "runs", said, now)
        for job in cleaning.remove(writer, state / "runs", jobs):
            log.info("job_removed", job_id=job.id, name=job.name, why=job.why)
    finally:
        reader.dispose()
        writer.dispose()


async def _for_ever(upkeep: Upkeep) -> None:
    await asyncio.sleep(FIRST_S)
    while True:
        try:
            await asyncio.to_thread(upkeep.look)
        except Exception:
            # A look that failed, as where the store was locked for long, must not end the daemon.
            log.exception("upkeep_failed")
        await asyncio.sleep(AGAIN_S)


def _place(state: Path, now: datetime) -> Path:
    place = state / backup.FOLDER / backup.name_of(now)
    shutil.rmtree(place, ignore_errors=True)  # of the same second, by hand
    return place
