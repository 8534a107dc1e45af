"""Where on this machine the data and weights of jobs may lie."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ftd.devices import ownthread
from ftd.jobs.callers import Caller

T = TypeVar("T")
_AT_ONCE = 8


class Roots:
    """Folders that jobs may read from. Where none are configured, admins alone name paths."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = tuple(map(_real, folders))
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def looked(self, work: Callable[[], T]) -> T:
        """Do what follows links, where a mount may hang: that must hold up no job.

        A few at a time, each in a thread of its own. It keeps its turn until the mount answers,
        even when its caller is gone.
        """
        if not self._folders:
            return await asyncio.to_thread(work)
        await self._turns.acquire()
        try:
            looking = ownthread.begun(work, name="roots")
        except RuntimeError:  # No more threads can be had.
            self._turns.release()
            raise
        looking.add_done_callback(self._have_looked)
        return await asyncio.shield(looking)

    def _have_looked(self, looking: "asyncio.Future[Any]") -> None:
        self._turns.release()
        looking.exception()  # The caller may be gone.

    def of(self, caller: Caller) -> tuple[Path, ...] | None:
        """Return the folders that a caller may name paths in; None: he may name any."""
        return None if caller.is_admin and not self._folders else self._folders

    def refusal(self, path: str, caller: Caller) -> str | None:
        """Say why a caller may not name a path; None: he may. Links are followed first."""
        folders = self.of(caller)
        if folders is None:
            return None
        if not folders:
            return (
                "paths of the daemon's machine are for its admins; push the data with "
                "`ftctl dataset push`, or ask for a data root (`ftd serve --data-roots`)"
            )
        real = _real(path)
        if any(real.is_relative_to(folder) for folder in folders):
            return None
        return (
            f"`{path}` lies outside the data roots of this daemon, "
            f"{', '.join(map(str, folders))}; put it there, or push it with `ftctl dataset push`"
        )


def _real(path: str | Path) -> Path:
    # Path.resolve fails at links that lead in a circle.
    return Path(os.path.realpath(path))


EVERYWHERE = Roots()
"""None configured."""
