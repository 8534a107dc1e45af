"""Draws what nets are made of: asks the zygote for a planner that makes no plan."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ftd.errors import InvalidJob, JobNotFound, PlannerUnavailable
from ftd.jobs import needs, references
from ftd.jobs.callers import Caller
from ftd.jobs.errands import Errand, Errands
from ftd.jobs.model import DatasetUse, Job
from ftd.jobs.store import Store
from fttrain.spec import faults
from fttrain.spec.faults import Fault

DRAW_S = 120.0
"""It reads the names of images and, where they are there, weights."""
DRAUGHTSMEN = 2
"""At a time."""


class Forks(Protocol):
    """What makes planners: a zygote."""

    async def plan(self, folder: Path) -> Errand:
        """Fork a planner for a folder with a request. Raises ZygoteGone."""


class Blueprints:
    """Has blueprints drawn in short-lived processes, remembered beside plans."""

    def __init__(self, zygote: Forks, *, folder: Path, store: Store, versions: Path) -> None:
        """`folder` is that of plans, `versions` that of all pushed data sets."""
        self._folder = folder
        self._store = store
        self._versions = versions
        self._errands = Errands(
            fork=zygote.plan,
            folder=folder,
            prefix="planning-blueprint-",
            within_s=DRAW_S,
            late=f"no blueprint within {DRAW_S:.0f} s; the machine is busy, ask again later",
            unavailable=PlannerUnavailable,
            room=asyncio.Semaphore(DRAUGHTSMEN),
        )

    async def of_recipe(self, recipe_json: str, *, caller: Caller) -> str:
        """Return the blueprint of a recipe's net as JSON text.

        Raises:
            InvalidJob: where there is no such net, or its recipe names what is not there.
            PlannerUnavailable
        """
        needed = await needs.find(self._store, faults.parse(recipe_json), caller)
        return await self._draw(recipe_json, needed.jobs, needed.datasets)

    async def of_job(self, job: Job) -> str:
        """Return the blueprint of a job's net as JSON text.

        Raises:
            InvalidJob: where its net cannot be built any more.
            PlannerUnavailable
        """
        jobs = {}
        for text, ref in job.references.items():
            with contextlib.suppress(JobNotFound):  # deleted since
                jobs[text] = await self._store.get(ref)
        return await self._draw(job.request.recipe_json, jobs, job.datasets)

    async def _draw(
        self, recipe_json: str, jobs: Mapping[str, Job], datasets: tuple[DatasetUse, ...]
    ) -> str:
        paths = references.dataset_paths(datasets, self._versions)
        for text, job in jobs.items():
            # What is not made yet is one of the things that are not known.
            with contextlib.suppress(InvalidJob):
                if job.state.is_terminal:
                    paths[text] = references.path(text, job)
        request = {
            "wanted": "blueprint",
            "recipe_json": recipe_json,
            "references": paths,
            # A net is the same whatever computes it.
            "means": {"cpus": 1},
            "cache": str(self._folder / "cache"),
        }
        with self._errands.place() as place:
            await asyncio.to_thread((place / "request.json").write_text, json.dumps(request))
            await self._errands.send(place)
            return await asyncio.to_thread(_drawn, place)


def _drawn(place: Path) -> str:
    """Return the blueprint, or raise what kept it from being drawn."""
    with contextlib.suppress(FileNotFoundError):
        return (place / "blueprint.json").read_text()
    with contextlib.suppress(FileNotFoundError):
        found = json.loads((place / "faults.json").read_text())
        raise InvalidJob([Fault(**fault) for fault in found])
    raise PlannerUnavailable("the planner broke off; its memory may have run out, ask again later")
