"""What a recipe takes from other jobs: `model.weights: job:NAME/best`."""

import re

from ftd.errors import InvalidJob
from ftd.jobs.model import Job, JobState
from fttrain.spec import rundir
from fttrain.spec.faults import Fault
from fttrain.spec.recipe import Recipe

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


def fault(description: str) -> InvalidJob:
    """Return the error of a reference."""
    return InvalidJob([Fault(field=_FIELD, description=description)])
