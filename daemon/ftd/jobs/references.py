"""What a recipe takes from the daemon: other jobs' weights, pushed data sets.

`model.weights: job:NAME/best` and `data.dataset: NAME`.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from ftd.errors import InvalidJob
from ftd.jobs.model import DatasetUse, Job, JobState
from fttrain.spec import rundir
from fttrain.spec.faults import Fault
from fttrain.spec.recipe import Recipe
from fttrain.spec.rundir import DATASET

_FIELD = "model.weights"
_FORM = re.compile(r"job:(?P<job>[^/]+)/(?P<which>best|last)")


def of(recipe: Recipe) -> dict[str, str]:
    """Return the references of a recipe: their text -> the job that they name.

    Raises:
        InvalidJob: where a reference is not of the form `job:NAME/best` or `job:NAME/last`.
    """
    text = recipe.model.weights
    if not text.startswith("job:"):
        return {}
    match = _FORM.fullmatch(text)
    if match is None:
        raise fault(f"`{text}` is not of the form job:NAME/best or job:NAME/last")
    return {text: match["job"]}


def path(text: str, job: Job) -> str:
    """Return the file that a reference to an ended job means.

    Raises:
        InvalidJob: where the job has made no such file.
    """
    made = [artifact["path"] for artifact in job.artifacts]
    if job.state is JobState.SUCCEEDED and text.endswith("/best"):
        return str(next(p for p in made if p.endswith(rundir.MODEL)))
    if not job.run_dir:
        raise fault(f"{job.name} ended {job.state.value.upper()} before it had a checkpoint")
    name = rundir.BEST if text.endswith("/best") else rundir.LAST
    return f"{job.run_dir}/{name}"


def dataset_of(recipe: Recipe) -> str | None:
    """Return what a recipe calls the pushed data set that it uses; None: it uses none."""
    return recipe.data.dataset.name if recipe.data.dataset is not None else None


def dataset_paths(used: Iterable[DatasetUse], versions: Path) -> dict[str, str]:
    """Return the references of pushed data sets -> the folders that they mean."""
    return {f"{DATASET}{each.name}": str(versions / each.digest) for each in used}


def fault(description: str) -> InvalidJob:
    """Return the error of a reference."""
    return InvalidJob([Fault(field=_FIELD, description=description)])
