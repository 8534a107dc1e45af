"""Plans recipes: asks the zygote for a planner and reads what it leaves."""

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftd.errors import PlannerUnavailable
from ftd.jobs.errands import Errands
from ftd.jobs.zygote import Zygote
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
        self._folder = folder
        self._errands = Errands(
            fork=zygote.plan,
            folder=folder,
            prefix="planning-",
            within_s=PLAN_S,
            late=f"no plan within {PLAN_S:.0f} s",
            unavailable=PlannerUnavailable,
            room=asyncio.Semaphore(PLANNERS),
        )

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
        with self._errands.place() as place:
            (place / "request.json").write_text(json.dumps(request))
            await self._errands.send(place)
            return _read(place)


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
