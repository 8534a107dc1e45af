"""Brings every event to whoever watches its job: first from the store, then as it happens."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Protocol

from ftd.errors import DaemonError, ShuttingDown, WatcherTooSlow
from ftd.jobs.history import is_last
from ftd.jobs.model import Event, Job, JobId

# Events that may wait for one watcher before it is cut.
CAPACITY = 256
# Events read from the store at a time.
PAGE = 256


class History(Protocol):
    """Where events are read again."""

    async def get(self, ref: str) -> Job:
        """Return a job."""

    async def events(self, job_id: JobId, after_sequence: int, limit: int) -> list[Event]:
        """Return at most `limit` events behind a sequence number, in order."""


class Broadcast:
    """Fans events out. Belongs to one event loop."""

    def __init__(self, history: History, *, capacity: int = CAPACITY) -> None:
        self._history = history
        self._capacity = capacity
        self._lines: dict[JobId, set[_Line]] = defaultdict(set)
        self.is_closed = False

    @property
    def watchers(self) -> int:
        """Number of watchers at this moment."""
        return sum(map(len, self._lines.values()))

    def publish(self, events: Iterable[Event]) -> None:
        """Hand on events that are stored. Never waits: a watcher that is behind is cut."""
        for event in events:
            for line in self._lines.get(event.job_id, ()):
                line.put(event)

    async def subscribe(
        self, job_id: JobId, *, after_sequence: int = 0
    ) -> AsyncGenerator[Event, None]:
        """Yield a job's events behind a sequence number, each once and in order.

        Ends after the one that ends the job.

        Raises:
            JobNotFound
            WatcherTooSlow: more than `capacity` events wait to be taken.
            ShuttingDown: the daemon stops.
        """
        line = _Line(self._capacity)
        self._lines[job_id].add(line)
        try:
            async with aclosing(self._follow(job_id, line, after_sequence)) as events:
                async for event in events:
                    yield event
                    if is_last(event):
                        return
        finally:
            self._lines[job_id].discard(line)
            if not self._lines[job_id]:
                del self._lines[job_id]

    def close(self) -> None:
        """End all watchers with ShuttingDown, now and from now on."""
        self.is_closed = True
        for lines in self._lines.values():
            for line in lines:
                line.cut(_shutting_down())

    async def _follow(self, job_id: JobId, line: "_Line", seen: int) -> AsyncGenerator[Event, None]:
        while True:
            async for event in self._stored(job_id, seen):
                yield event
                seen = event.sequence
            if not line.is_open:
                # What was stored until now is read once more, what comes waits in the line.
                line.is_open = True
                continue
            job = await self._history.get(job_id)
            if job.state.is_terminal and seen >= job.last_sequence:
                return
            while (event := await line.next()).sequence <= seen + 1:
                if event.sequence == seen + 1:
                    yield event
                    seen += 1
                elif is_last(event):
                    return
            # Events are missing between; all that is published is stored, so they are there.

    async def _stored(self, job_id: JobId, seen: int) -> AsyncGenerator[Event, None]:
        while True:
            if self.is_closed:
                raise _shutting_down()
            page = await self._history.events(job_id, seen, PAGE)
            for event in page:
                yield event
                seen = event.sequence
            if len(page) < PAGE:
                return


class _Line:
    """Events on their way to one watcher. Closed at first: a replay takes no room in it."""

    def __init__(self, capacity: int) -> None:
        self._waiting: asyncio.Queue[Event | DaemonError] = asyncio.Queue(capacity)
        self._is_cut = False
        self.is_open = False

    def put(self, event: Event) -> None:
        if not self.is_open or self._is_cut:
            return
        if self._waiting.full():
            self.cut(
                WatcherTooSlow(
                    f"{self._waiting.qsize()} events wait to be read; resume with "
                    "after_sequence, the number of the last event that was seen"
                )
            )
            return
        self._waiting.put_nowait(event)

    def cut(self, error: DaemonError) -> None:
        """Drop what is waiting and end with an error."""
        self._is_cut = True
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(error)

    async def next(self) -> Event:
        item = await self._waiting.get()
        if isinstance(item, DaemonError):
            raise item
        return item


def _shutting_down() -> ShuttingDown:
    return ShuttingDown("the daemon stops; the job goes on. Watch it again once the daemon is back")
