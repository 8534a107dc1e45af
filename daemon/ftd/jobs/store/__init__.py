"""The record of truth: jobs, their events and attempts, in SQLite. Durable before a reply.

The event loop never touches the database: one thread writes, a few read.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ftd.jobs import disk
from ftd.jobs.callers import Caller
from ftd.jobs.model import (
    Attempt,
    Event,
    Job,
    JobId,
    JobRequest,
    JobState,
    NewEvent,
    UserUsage,
)
from ftd.jobs.store import deletion, moving, names, reads, usage, writes
from ftd.jobs.store.datasets import Datasets
from ftd.jobs.store.engine import open_engines
from ftd.jobs.store.reads import ALL, Filter
from ftd.jobs.store.tokens import Tokens
from ftd.jobs.store.writer import Writer
from ftd.jobs.store.writes import QueueLimits

T = TypeVar("T")
# Below, `list` is the store's verb.
Jobs = list[Job]
Events = list[Event]
Attempts = list[Attempt]
Usages = list[UserUsage]

READERS = 2
NO_LIMITS = QueueLimits()
# The daemon itself, which asks for nobody.
HOUSE = Caller(user="", is_admin=True)


class Store:
    """Holds jobs. Made by `open`; to be closed."""

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self._write_engine = writer
        self._read_engine = reader
        self.on_commit: Callable[[float], None] = lambda seconds: None
        """Told in the event loop how long each commit took."""
        self._writer = Writer(writer, lambda seconds: self.on_commit(seconds))
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="ftd-store-reader")
        self.tokens = Tokens(read=self._read, write=self._writer.run)
        self.datasets = Datasets(read=self._read, write=self._writer.run)

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the database file, made or migrated where needed.

        Raises:
            BadConfig: where it is damaged, of a newer version, or cannot be opened.
        """
        writer, reader = await asyncio.to_thread(open_engines, path, readers=READERS)
        return cls(writer, reader)

    async def close(self) -> None:
        """Commit what is waiting and let go of the file."""
        await self._writer.close()
        await asyncio.to_thread(self._let_go)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def submit(
        self,
        request: JobRequest,
        *,
        request_id: str,
        now: datetime,
        references: Mapping[str, str],
        dataset: str | None = None,
        caller: Caller = HOUSE,
        limits: QueueLimits = NO_LIMITS,
    ) -> tuple[Job, Events]:
        """Accept a job: QUEUED, with its first event. The same request id gives the same job.

        Args:
            references: texts of the recipe that mean a job -> what they call it.
            dataset: what the recipe calls the pushed data set that it uses; None: it uses none.
            caller: whose the job is; `after` and references find his own jobs, an admin's all.
            limits: so many jobs may wait.

        Raises:
            QueueFull: where so many wait already.
            InvalidJob: where `after` or a reference means no job, or there is no such data set.
            NameTaken: where a job of this name has not ended.
            RequestIdReused: where the request id came with another job.
        """

        def write(connection: Connection) -> tuple[Job, Events]:
            return writes.submit(
                connection, request, request_id=request_id, now=now, references=references,
                dataset=dataset, caller=caller, limits=limits,
            )  # fmt: skip

        return await self._writer.run(write)

    async def append(
        self, job: Job, events: Sequence[NewEvent], *, attempt: Attempt | None = None
    ) -> tuple[Job, Events]:
        """Write a job, what happened to it and its attempt, all or nothing.

        Returns the job with what its events say of it, and the events with their numbers.

        Raises:
            StaleJob: where the job has got events since it was read.
        """
        return await self._writer.run(
            lambda connection: writes.append(connection, job, events, attempt)
        )

    async def delete(self, job_id: JobId, *, only_of: str | None = None) -> None:
        """Forget a job that has ended, and all that happened to it.

        Args:
            only_of: the user who may learn the names of his own jobs alone.

        Raises:
            JobNotFound: where it is gone already.
            JobNotEnded, JobInUse
        """
        await self._writer.run(lambda connection: deletion.delete_job(connection, job_id, only_of))

    async def get(self, ref: str, *, only_of: str | None = None) -> Job:
        """Return the job that an id, a name or the beginning of an id means.

        Args:
            only_of: the user whose jobs alone are there; None: all jobs are.

        Raises:
            JobNotFound, AmbiguousJobId
        """
        return await self._read(
            lambda connection: reads.job_by_id(connection, names.find(connection, ref, only_of))
        )

    async def list(
        self,
        page_size: int,
        page_token: str = "",
        wanted: Filter = ALL,
        *,
        only_of: str | None = None,
    ) -> tuple[Jobs, str]:
        """Return a page of jobs, latest first, and the token of the next; empty at the end.

        A job comes without its plan and with its best and last epoch only.

        Raises:
            InvalidPageToken
        """
        return await self._read(
            lambda connection: reads.job_page(connection, page_size, page_token, wanted, only_of)
        )

    async def unfinished(self) -> Jobs:
        """Return all jobs that have not ended, in order of submission."""
        return await self._read(reads.unfinished_jobs)

    async def count_ended(self) -> dict[JobState, int]:
        """Return how many jobs have ended in each terminal state."""
        return await self._read(reads.count_ended)

    async def usage(self, now: datetime, *, only_of: str | None = None) -> Usages:
        """Return what each user who has a job has of the machine, by name."""
        return await self._read(lambda connection: usage.by_user(connection, now, only_of))

    async def owners(self, job_ids: Sequence[JobId]) -> dict[JobId, str]:
        """Return whose some jobs are."""
        return await self._read(lambda connection: reads.owners(connection, job_ids))

    async def attempts(self, job_ids: Sequence[JobId]) -> Attempts:
        """Return all attempts of some jobs, each job's in order."""
        return await self._read(lambda connection: reads.attempts_of(connection, job_ids))

    async def pause_times(self, job_ids: Sequence[JobId]) -> Mapping[JobId, datetime]:
        """Return when jobs that are paused came to be so."""
        if not job_ids:
            return {}
        return await self._read(lambda connection: reads.pause_times(connection, job_ids))

    async def fruitful_attempt(self, job_id: JobId) -> int:
        """Return the number of a job's latest attempt that told an epoch or a checkpoint; or 0."""
        return await self._read(lambda connection: reads.fruitful_attempt(connection, job_id))

    async def end_attempts(self, job_id: JobId, now: datetime) -> None:
        """Note that a job's attempts hold no devices any more."""
        await self._writer.run(lambda connection: writes.end_attempts(connection, job_id, now))

    async def end_attempts_of_ended_jobs(self) -> None:
        """Note it of those whose daemon ended right before it could."""
        await self._writer.run(writes.end_attempts_of_ended_jobs)

    async def settle(self, runs: Path) -> Path | None:
        """Have all run directories lie in a folder, where the state directory has moved there.

        Returns where they lay before; None: there.
        """
        return await self._writer.run(lambda connection: moving.settle(connection, runs))

    async def drains(self) -> dict[str, str]:
        """Return why each drained device is drained, by uuid."""
        return await self._read(reads.drains)

    async def drain(self, uuid: str, reason: str, now: datetime) -> None:
        """Note that a device takes no jobs; a new reason replaces the old one."""
        await self._writer.run(lambda connection: writes.drain(connection, uuid, reason, now))

    async def resume(self, uuid: str) -> None:
        """Note that a device takes jobs again."""
        await self._writer.run(lambda connection: writes.resume(connection, uuid))

    async def events(self, job_id: JobId, after_sequence: int, limit: int) -> Events:
        """Return at most `limit` events of a job behind a sequence number, in order."""
        return await self._read(
            lambda connection: reads.events_after(connection, job_id, after_sequence, limit)
        )

    async def _read(self, query: Callable[[Connection], T]) -> T:
        def run() -> T:
            try:
                with self._read_engine.begin() as connection:
                    return query(connection)
            except DBAPIError as error:
                if (told := disk.told(error.orig)) is None:
                    raise
                raise told from error

        return await asyncio.get_running_loop().run_in_executor(self._readers, run)

    def _let_go(self) -> None:
        self._readers.shutdown()
        self._read_engine.dispose()
        # The writer's connection is the last one: with it SQLite folds the WAL into the file.
        self._write_engine.dispose()
