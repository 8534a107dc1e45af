"""Tells when a journal has grown: one inotify instance for all of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import structlog
from asyncinotify import Inotify, Mask, Watch

log = structlog.get_logger()


class Journals:
    """Watches files for being written to."""

    def __init__(self, inotify: Inotify) -> None:
        self._inotify = inotify
        self._grown: dict[Watch, asyncio.Event] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def watching(cls) -> AsyncIterator["Journals"]:
        """Watch inside the block."""
        with Inotify() as inotify:
            journals = cls(inotify)
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(journals._read(), name="inotify")
                try:
                    yield journals
                finally:
                    reader.cancel()

    @contextlib.contextmanager
    def of(self, journal: Path) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever the file was written to.

        It is never set where the file cannot be watched: it is gone, or there are too many watches.
        """
        grown = asyncio.Event()
        try:
            watch = self._inotify.add_watch(journal, Mask.MODIFY)
        except OSError as error:
            log.warning("journal_not_watched", journal=str(journal), error=str(error))
            yield grown
            return
        self._grown[watch] = grown
        try:
            yield grown
        finally:
            del self._grown[watch]
            with contextlib.suppress(OSError):  # the file is gone, and its watch with it
                self._inotify.rm_watch(watch)

    async def _read(self) -> None:
        async for event in self._inotify:
            grown = self._grown.get(event.watch) if event.watch else None
            if grown is not None:
                grown.set()
