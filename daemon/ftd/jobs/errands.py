"""Short-lived processes of the zygote, each sent into a folder of its own to do one thing."""

import asyncio
import contextlib
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ftd.errors import DaemonError
from ftd.jobs.zygote import ZygoteGone

_TRIES = 5
"""Each is made by another zygote: the one before ended meanwhile."""


class Errand(Protocol):
    """A process that was given a folder."""

    @property
    def is_orphan(self) -> bool:
        """Whether the zygote that forked it is gone: it was ended with it."""

    async def wait(self) -> None:
        """Wait until it is gone."""

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens where it is gone."""

    def close(self) -> None:
        """Let go of it."""


Fork = Callable[[Path], Awaitable[Errand]]
"""Has the zygote fork a process for a folder. Raises ZygoteGone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errands:
    """Sends processes of one kind, so many at a time."""

    fork: Fork
    folder: Path
    """Where they get their folders."""
    prefix: str
    within_s: float
    late: str
    """What is told where one takes longer."""
    unavailable: type[DaemonError]
    """What is raised then, and where none can be sent."""
    room: asyncio.Semaphore

    def clear(self) -> None:
        """Take away what an earlier daemon left."""
        for leftover in self.folder.glob(f"{self.prefix}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    @contextlib.contextmanager
    def place(self) -> Iterator[Path]:
        """Make a folder that is there inside the block."""
        self.folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=self.folder, prefix=self.prefix))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    async def send(self, place: Path) -> None:
        """Have a process do what a folder asks for. Cancelling the call ends it.

        Raises:
            DaemonError: of the kind `unavailable`.
        """
        async with self.room:
            for _ in range(_TRIES - 1):
                with contextlib.suppress(ZygoteGone):  # it is started again
                    return await self._send(place)
            try:
                await self._send(place)
            except ZygoteGone as error:
                raise self.unavailable(str(error)) from error

    async def _send(self, place: Path) -> None:
        process = await self.fork(place)
        try:
            async with asyncio.timeout(self.within_s):
                await process.wait()
            if process.is_orphan:
                raise ZygoteGone("the zygote ended, and what it had sent with it")
        except TimeoutError:
            raise self.unavailable(self.late) from None
        finally:
            process.send(signal.SIGKILL)
            process.close()
