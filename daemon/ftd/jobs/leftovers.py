"""What an earlier daemon has left behind that belongs to nothing any more."""

import asyncio
import shutil
from collections.abc import Iterable
from pathlib import Path

import structlog

from ftd.jobs.store import Store

log = structlog.get_logger()

_AT_A_TIME = 500


def remove(folders: Iterable[Path]) -> None:
    """Remove folders with all that is in them; what cannot be removed stays."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


async def sweep_runs(runs: Path, store: Store) -> None:
    """Remove run directories of jobs that are deleted, where that broke off before it was done."""
    # Listed before it is asked who is known: a job is stored before it has a run directory.
    folders = await asyncio.to_thread(lambda: sorted(runs.glob("*")))
    for begin in range(0, len(folders), _AT_A_TIME):
        some = folders[begin : begin + _AT_A_TIME]
        known = await store.owners([folder.name for folder in some])
        if gone := [folder for folder in some if folder.name not in known]:
            await asyncio.to_thread(remove, gone)
            log.info("runs_removed", count=len(gone))
