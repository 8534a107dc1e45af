"""Tells dcgm-exporter which job is on which GPU: one file for each, a job's id on each line.

It reads them where it is started with `--hpc-job-mapping-dir`, and puts `hpc_job` on its series.
A file bears the number by which NVIDIA's tools call the GPU, that of a MIG instance `GPU.INSTANCE`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import structlog

from ftd.errors import BadConfig
from ftd.jobs.fleet import Standing
from ftd.jobs.lasting import in_thread

log = structlog.get_logger()

SWEEP_S = 1.0
"""Changes are written this often; dcgm-exporter looks at each scrape of its own."""
Lines = Mapping[str, tuple[str, ...]]
"""The name of each file, and what stands in it."""


@contextlib.asynccontextmanager
async def kept(folder: Path, standings: Callable[[], Sequence[Standing]]) -> AsyncIterator[None]:
    """Keep the files true inside the block; behind it they are empty.

    Raises:
        BadConfig: where the folder cannot be made or written.
    """
    try:
        await asyncio.to_thread(_write, folder, lines := _lines(standings()))
    except OSError as error:
        raise BadConfig(
            f"--dcgm-mapping-dir: {folder} cannot be written: {error.strerror}; "
            "give another folder, or none"
        ) from None
    async with asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(_keep(folder, standings, lines), name="dcgm-mapping")
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])  # Else what it writes just now would come last.
            # Jobs may go on, but nobody would take them out when they end.
            with contextlib.suppress(OSError):
                await asyncio.to_thread(_write, folder, dict.fromkeys(lines, ()))


async def _keep(folder: Path, standings: Callable[[], Sequence[Standing]], written: Lines) -> None:
    is_told = False
    while True:
        await asyncio.sleep(SWEEP_S)
        now = _lines(standings())
        changed = {name: ids for name, ids in now.items() if written.get(name) != ids}
        try:
            await in_thread(_write, folder, changed)
            written, is_told = now, False
        except OSError as error:
            if not is_told:
                log.warning("dcgm_mapping_not_written", folder=str(folder), error=str(error))
            is_told = True


def _lines(standings: Sequence[Standing]) -> Lines:
    return {
        each.device.number: tuple(guest.job_id for guest in each.guests)
        for each in standings
        if each.device.number
    }


def _write(folder: Path, lines: Lines) -> None:
    # dcgm-exporter runs as somebody else, who must be able to read what we keep.
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    for name, ids in lines.items():
        # dcgm-exporter passes over names that are no number.
        aside = folder / f".{name}.new"
        aside.write_text("".join(f"{job_id}\n" for job_id in ids))
        aside.chmod(0o644)
        aside.replace(folder / name)
