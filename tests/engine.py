"""Recipes and run directories for tests of the engine."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fttrain import events, plan, run
from fttrain.spec import faults, recipe, rundir
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.plan import Means, Plan
from fttrain.spec.recipe import Recipe

SGD = {"sgd": {"lr": 0.05, "momentum": 0.9}}
FRAMED = {"resize": 36, "crop": 32, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}


def parsed(
    data: Mapping[str, Any], model: Mapping[str, Any], train: Mapping[str, Any], **more: Any
) -> Recipe:
    """Read a recipe from its sections; what is not said of `train` is short."""
    defaults = {"epochs": 2, "batch_size": 4, "optimizer": SGD}
    body = {"data": data, "model": model, "train": {**defaults, **train}, **more}
    return faults.parse(json.dumps(body))


def digits(**train: Any) -> Recipe:
    """Return a recipe of a few digits and a small net."""
    return parsed({"digits": {"labels_per_class": 4}}, {"cnn": {"channels": [4, 8]}}, train)


def photos(root: Path, model: Mapping[str, Any] | None = None, **train: Any) -> Recipe:
    """Return a recipe of a photo folder and, if not said otherwise, a small net."""
    data = {"folder": {"path": str(root)}, "preprocess": FRAMED, "workers": 0}
    return parsed(data, model or {"cnn": {"channels": [4, 8], "dropout": 0.2}}, train)


def planned(chosen: Recipe, **references: str) -> Plan:
    """Plan for one core."""
    return plan.make(chosen, references=references, means=Means(cpus=1))


def notices(chosen: Recipe) -> list[str]:
    """Return what a plan says beside that there are few images to validate on."""
    return [told for told in planned(chosen).notices if not told.startswith("validation has ")]


def refused(chosen: Recipe, references: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the faults of a recipe that cannot be planned: field to description."""
    try:
        plan.make(chosen, references=references or {}, means=Means(cpus=1))
    except RecipeFaults as found:
        return {fault.field: fault.description for fault in found.faults}
    raise AssertionError("the recipe has no faults")


def prepare(run_dir: Path, chosen: Recipe, made: Plan | None = None) -> Path:
    """Write what a worker finds in its run directory."""
    run_dir.mkdir(parents=True)
    (run_dir / rundir.RECIPE).write_text(recipe.canonical(chosen))
    (run_dir / rundir.PLAN).write_text((made or planned(chosen)).model_dump_json())
    card = rundir.AttemptCard(job_id="0123", attempt=1, name="tested")
    rundir.write_card(run_dir / rundir.ATTEMPT, card)
    return run_dir


def trained(run_dir: Path, chosen: Recipe, made: Plan | None = None) -> list[events.Record]:
    """Run a recipe to its end; return the journal."""
    assert run.run(prepare(run_dir, chosen, made)) == 0
    return records(run_dir)


def records(run_dir: Path) -> list[events.Record]:
    """Return the records of a journal."""
    return [entry.record for entry in events.read(run_dir / rundir.JOURNAL)[0]]
