"""What a recipe takes from the daemon: other jobs, pushed data sets, files of its machine.

`model.weights: job:NAME/best`, `train.continue: job:NAME`, `data.dataset: NAME`, and paths.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ftd.errors import InvalidJob
from ftd.jobs.model import DatasetUse, Job, JobState
from fttrain.spec import rundir
from fttrain.spec.faults import Fault
from fttrain.spec.recipe import Recipe
from fttrain.spec.rundir import DATASET

_FIELD, _CONTINUE = "model.weights", "train.continue"
_FILE = "file:"
_PATHS = ("path", "root")
_BENEATH = ("train", "val", "test")
_FORM = re.compile(r"job:(?P<job>[^/]+)/(?P<which>best|last)")


def of(recipe: Recipe) -> dict[str, str]:
    """Return the references of a recipe: their text -> the job that they name.

    Raises:
        InvalidJob: where a reference is not of the form `job:NAME/best` or `job:NAME/last`.
    """
    found = {}
    if (ended := recipe.train.continue_) is not None:
        found[ended] = ended.removeprefix("job:")
    text = recipe.model.weights
    if text.startswith("job:"):
        match = _FORM.fullmatch(text)
        if match is None:
            raise fault(f"`{text}` is not of the form job:NAME/best or job:NAME/last")
        found[text] = match["job"]
    return found


def field(text: str) -> str:
    """Return where in a recipe a reference to a job stands."""
    return _FIELD if "/" in text else _CONTINUE


def path(text: str, job: Job) -> str:
    """Return the file that a reference to an ended job means.

    Raises:
        InvalidJob: where the job has made no such file.
    """
    made = [artifact["path"] for artifact in job.artifacts]
    if job.state is JobState.SUCCEEDED and text.endswith("/best"):
        return str(next(p for p in made if p.endswith(rundir.MODEL)))
    if not job.run_dir:
        what = f"{job.name} ended {job.state.value.upper()} before it had a checkpoint"
        raise fault(what, field(text))
    name = rundir.BEST if text.endswith("/best") else rundir.LAST
    return f"{job.run_dir}/{name}"


def paths_of(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield the fields of a recipe that name files of the daemon's machine, and the paths."""
    if recipe.model.weights.startswith(_FILE):
        yield _FIELD, recipe.model.weights.removeprefix(_FILE)
    for name, origin in recipe.data:
        # By the names of their fields: so an origin that is new here is not forgotten.
        for field in _PATHS:
            if isinstance(path := getattr(origin, field, None), str):
                yield f"data.{name}.{field}", path


def paths_beneath(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield those of folders within another one, which may be anywhere: `../x`, `/x`, a link."""
    if (folder := recipe.data.folder) is None:
        return
    for field in _BENEATH:
        if part := getattr(folder, field):
            yield f"data.folder.{field}", str(Path(folder.path) / part)


def dataset_of(recipe: Recipe) -> str | None:
    """Return what a recipe calls the pushed data set that it uses; None: it uses none."""
    return recipe.data.dataset.name if recipe.data.dataset is not None else None


def dataset_paths(used: Iterable[DatasetUse], versions: Path) -> dict[str, str]:
    """Return the references of pushed data sets -> the folders that they mean."""
    return {f"{DATASET}{each.name}": str(versions / each.digest) for each in used}


def fault(description: str, field: str = _FIELD) -> InvalidJob:
    """Return the error of a reference."""
    return InvalidJob([Fault(field=field, description=description)])
