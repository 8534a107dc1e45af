"""Plans recipes: asks the zygote for a planner and reads what it leaves."""

import asyncio
import contextlib
import json
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ftd.errors import PlannerUnavailable
from ftd.jobs.zygote import Zygote, ZygoteGone
from fttrain.spec import rundir
from fttrain.spec.faults import Fault

PLAN_S = 600.0
"""A plan reads every name of the data and every weight: minutes on slow disks, not hours."""

PLANNERS = 4
"""Planners at a time: each has torch and the names of a data set in its memory."""


class PlanFaults(Exception):
    """The recipe does not fit its data, weights or model."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = tuple(faults)


class Planning:
    """Makes plans in short-lived processes, memoised on disk by the digest of what they read."""

    def __init__(self, zygote: Zygote, *, folder: Path) -> None:
        self._zygote = zygote
        self._folder = folder
        self._room = asyncio.Semaphore(PLANNERS)

    async def plan(
        self, recipe_json: str, references: Mapping[str, str], means: Mapping[str, Any]
    ) -> str:
        """Return the plan as JSON text. Cancelling the call ends the planner.

        Args:
            references: `job:NAME/best` in the recipe -> the file that it means.
            means: what the job will have: the fields of `fttrain.spec.plan.Means`.

        Raises:
            PlanFaults: with all faults that the planner found.
            PlannerUnavailable: where it gave no answer.
        """
        request = {
            "recipe_json": recipe_json,
            "references": dict(references),
            "means": means,
            "cache": str(self._folder / "cache"),
        }
        async with self._room:
            with contextlib.suppress(ZygoteGone):  # it is started again
                return await self._try(request)
            try:
                return await self._try(request)
            except ZygoteGone as error:
                raise PlannerUnavailable(str(error)) from error

    async def _try(self, request: Mapping[str, Any]) -> str:
        with self._workplace() as place:
            (place / "request.json").write_text(json.dumps(request))
            return await self._ask(place)

    async def _ask(self, place: Path) -> str:
        planner = await self._zygote.plan(place)
        try:
            async with asyncio.timeout(PLAN_S):
                await planner.wait()
        except TimeoutError:
            raise PlannerUnavailable(f"no plan within {PLAN_S:.0f} s") from None
        finally:
            planner.send(signal.SIGKILL)
            planner.close()
        return _read(place)

    @contextlib.contextmanager
    def _workplace(self) -> Iterator[Path]:
        (self._folder / "cache").mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=self._folder, prefix="planning-"))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _read(place: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        return (place / rundir.PLAN).read_text()
    with contextlib.suppress(FileNotFoundError):
        faults = json.loads((place / "faults.json").read_text())
        raise PlanFaults([Fault(**fault) for fault in faults])
    with contextlib.suppress(FileNotFoundError):
        last = (place / "log.txt").read_text(errors="replace").strip().splitlines()[-1:]
        raise PlannerUnavailable(f"the planner broke off: {' '.join(last) or 'without a word'}")
    raise PlannerUnavailable("the planner ended before it began")
