"""Ends what the shim of an attempt could not, and knows what nobody can end."""

import asyncio
import contextlib
import os
import select
import signal
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from ftd.jobs import kin
from ftd.jobs.cgroup import Group, Groups
from ftd.jobs.kin import Kin, Search
from ftd.jobs.model import JobId
from fttrain.spec import rundir
from fttrain.spec.rundir import ExitReport, ProcessIdentity

log = structlog.get_logger()

PATIENCE_S = 2.0
"""What does not end by SIGKILL in this time waits for a device, or is not ours to end."""
_LOOK_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep found."""

    ended: tuple[Kin, ...] = ()
    left: tuple[Kin, ...] = ()
    """What could not be ended."""


NOTHING = Swept()


def told(report: ExitReport | None, swept: Swept) -> list[str]:
    """Return what is to be said of the processes that outlived a worker."""
    lines = []
    if ended := [*_ended_by_shim(report), *map(str, swept.ended)]:
        lines.append(f"Processes that outlived the worker were ended: {', '.join(ended)}.")
    if swept.left:
        names = named(swept.left)
        lines.append(f"Its devices are held until {names} is gone, which nothing could end.")
    return lines


def _ended_by_shim(report: ExitReport | None) -> list[str]:
    # A worker that is ended by force is bound to leave its loader processes behind.
    if report is None or report.terminated:
        return []
    left = {each.pid for each in report.left}
    return [f"{each.name} ({each.pid})" for each in report.orphans if each.pid not in left]


def named(processes: Sequence[Kin]) -> str:
    """Return processes as a reason names them."""
    return ", ".join(map(str, processes))


class Sweep:
    """Looks for the processes of attempts whose shims are gone. A living shim's are its own."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._left: dict[JobId, dict[Path, tuple[ProcessIdentity, tuple[Kin, ...]]]] = {}
        """By run directory: the shim, and what could not be ended."""

    def left(self, job_id: JobId) -> tuple[Kin, ...]:
        """Return what was left of a job's attempts at the last look."""
        return tuple(each for _, left in self._left.get(job_id, {}).values() for each in left)

    async def end(self, run_dir: Path, report: ExitReport | None = None) -> Swept:
        """End what is left of an attempt; say what was, and what cannot be ended.

        `report` is the shim's account, where it left one.
        """
        shim = await asyncio.to_thread(rundir.read_shim, run_dir)
        if shim is None or kin.runs(shim):
            return NOTHING
        if by_shim := _ended_by_shim(report):
            log.warning("orphans_ended", job_id=run_dir.parent.name, orphans=", ".join(by_shim))
        return await self._end(run_dir, shim, report)

    async def end_again(self, job_id: JobId) -> None:
        """Look again at what was left of a job, without waiting for it."""
        for run_dir, (shim, _) in tuple(self._left.get(job_id, {}).items()):
            await self._end(run_dir, shim, patience_s=0.0)

    async def end_all(self, runs: Path, *, except_of: Collection[JobId]) -> list[JobId]:
        """End what attempts of earlier daemons have left; return the jobs that left it."""
        found = await asyncio.to_thread(_orphaned, runs)
        over = {each: shim for each, shim in found.items() if each.parent.name not in except_of}
        for run_dir, shim in over.items():
            await self._end(run_dir, shim)
        return list(dict.fromkeys(each.parent.name for each in over))

    async def _end(
        self,
        run_dir: Path,
        shim: ProcessIdentity,
        report: ExitReport | None = None,
        *,
        patience_s: float = PATIENCE_S,
    ) -> Swept:
        job_id, group = run_dir.parent.name, self._groups.of(shim)
        known = {each.identity for each in self.left(job_id)}
        known |= {(each.pid, each.start_ticks) for each in report.left} if report else set()
        search = Search(
            shim=shim,
            known=known,
            group=group.pids if group else tuple,
        )
        swept = await asyncio.to_thread(_end_found, search, group, patience_s)
        self._remember(run_dir, shim, swept)
        return swept

    def _remember(self, run_dir: Path, shim: ProcessIdentity, swept: Swept) -> None:
        job_id = run_dir.parent.name
        if swept.ended:
            log.warning("orphans_ended", job_id=job_id, orphans=named(swept.ended))
        of_job = self._left.setdefault(job_id, {})
        if swept.left and run_dir not in of_job:
            log.error("orphans_left", job_id=job_id, orphans=named(swept.left))
        of_job.pop(run_dir, None)
        if swept.left:
            of_job[run_dir] = (shim, swept.left)
        if not of_job:
            del self._left[job_id]


def _orphaned(runs: Path) -> dict[Path, ProcessIdentity]:
    """Return the attempts whose shims are gone and have left processes."""
    gone = {(pid, ticks) for pid, ticks in kin.marked() if not kin.is_there(pid, ticks)}
    found = {}
    for card in runs.glob(f"*/*/{rundir.SHIM}") if gone else ():
        shim = rundir.read_shim(card.parent)
        if shim is not None and (shim.pid, shim.start_ticks) in gone:
            found[card.parent] = shim
    return found


def _end_found(search: Search, group: Group | None, patience_s: float) -> Swept:
    met: dict[tuple[int, int], Kin] = {}
    give_up_at = time.monotonic() + patience_s
    while (found := kin.find(search)) and not (met and time.monotonic() >= give_up_at):
        met |= {each.identity: each for each in found}
        if group is not None:
            group.kill()
        _kill(found)
    if group is not None and not found:
        group.remove()
    gone = met.keys() - {each.identity for each in found}
    return Swept(ended=tuple(met[each] for each in sorted(gone)), left=tuple(found))


def _kill(found: Sequence[Kin]) -> None:
    """Kill processes and wait a moment until they are gone."""
    with contextlib.ExitStack() as stack:
        poll = select.poll()
        for each in found:
            with contextlib.suppress(OSError):  # gone, or another user's
                pidfd = os.pidfd_open(each.pid)
                stack.callback(os.close, pidfd)
                # Whoever is held now and is the one that was found cannot be another any more.
                if kin.is_there(*each.identity):
                    poll.register(pidfd, select.POLLIN)
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        poll.poll(_LOOK_AGAIN_S * 1000)
