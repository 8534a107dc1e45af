"""Jobs and run directories for tests in which the worker is not the engine."""

import json
from pathlib import Path
from typing import Any

from ftd.jobs.model import JobRequest
from fttrain.spec import faults, recipe, rundir


def make_run_dir(root: Path, act: str, *, job_id: str = "j" * 32) -> Path:
    """Write a run directory as the daemon does, for a worker that reads only its name."""
    run_dir = root / job_id / "1"
    run_dir.mkdir(parents=True)
    (run_dir / rundir.JOURNAL).touch()
    card = rundir.AttemptCard(job_id=job_id, attempt=1, name=act)
    rundir.write_card(run_dir / rundir.ATTEMPT, card)
    return run_dir


def make_request(act: str, *, net: str = "resnet18", **changes: Any) -> JobRequest:
    """Return a request whose worker does what its name says, once."""
    parsed = faults.parse(json.dumps(recipe_of(net=net, weights=changes.pop("weights", "none"))))
    facts = {"devices": 1, "priority": 0, "after": (), "labels": {}, "retries": 0, **changes}
    return JobRequest(name=act, recipe_json=recipe.canonical(parsed), **facts)


def recipe_of(*, net: str = "resnet18", weights: str = "none") -> dict[str, Any]:
    """Return a recipe that is valid as far as its schema goes."""
    return {
        "data": {"folder": {"path": "/nowhere"}},
        "model": {"name": net, "weights": weights},
        "train": {"epochs": 1, "batch_size": 4, "optimizer": {"sgd": {"lr": 0.1}}},
    }
