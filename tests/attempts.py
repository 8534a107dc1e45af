"""Attempts at a run, one after the other, for tests of the engine."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from fttrain.events import EpochEnded, Record
from fttrain.spec import rundir
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from fttrain.spec.rundir import AttemptCard
from tests import engine


def attempt(root: Path, recipe: Recipe, number: int = 1, plan: Plan | None = None) -> Path:
    """Prepare an attempt of the job whose directory is `root`."""
    folder = engine.prepare(root / str(number), recipe, plan)
    earlier = [str(root / str(before)) for before in range(number - 1, 0, -1)]
    card = AttemptCard(job_id="0123", attempt=number, name="tested", earlier=earlier)
    rundir.write_card(folder / rundir.ATTEMPT, card)
    return folder


def history(folder: Path) -> list[dict[str, Any]]:
    """Return the epochs that an attempt told, without their times."""
    told = [asdict(r) for r in engine.records(folder) if isinstance(r, EpochEnded)]
    timed = ("seconds", "images_per_second", "memory_bytes")
    return [{k: v for k, v in epoch.items() if k not in timed} for epoch in told]


def found(records: list[Record], kind: type[Record]) -> Any:
    return next(record for record in records if isinstance(record, kind))
