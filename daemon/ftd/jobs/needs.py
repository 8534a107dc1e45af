"""What a job needs of others, looked up by the names that its user gave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ftd.errors import AmbiguousJobId, DatasetNotFound, InvalidJob, JobNotFound
from ftd.jobs import references
from ftd.jobs.callers import Caller
from ftd.jobs.model import DatasetUse, Job
from ftd.jobs.store import Store
from ftd.jobs.store.datasets import FIELD
from fttrain.spec.faults import Fault
from fttrain.spec.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Jobs and data sets that a recipe names."""

    jobs: Mapping[str, Job]
    """`job:NAME/best` in the recipe -> the job."""
    datasets: tuple[DatasetUse, ...]


async def find(store: Store, recipe: Recipe, caller: Caller, after: Sequence[str] = ()) -> Needs:
    """Return what a job needs. Jobs that it only waits for must be there too.

    Raises:
        InvalidJob: with a fault for each name that means nothing.
    """
    found: list[Fault] = []
    named = references.of(recipe)
    for position, ref in enumerate(after):
        await _job(store, ref, f"after[{position}]", caller, found)
    jobs = {
        text: await _job(store, ref, references.field(text), caller, found)
        for text, ref in named.items()
    }
    used = await _datasets(store, references.dataset_of(recipe), caller, found)
    if found:
        raise InvalidJob(found)
    there = {text: job for text, job in jobs.items() if job is not None}
    return Needs(jobs=there, datasets=used)


async def _job(
    store: Store, ref: str, field: str, caller: Caller, found: list[Fault]
) -> Job | None:
    try:
        return await store.get(ref, only_of=caller.only_of)
    except (JobNotFound, AmbiguousJobId) as error:
        found.append(Fault(field=field, description=str(error)))
        return None


async def _datasets(
    store: Store, ref: str | None, caller: Caller, found: list[Fault]
) -> tuple[DatasetUse, ...]:
    if ref is None:
        return ()
    try:
        there = await store.datasets.find(ref, caller)
    except DatasetNotFound as error:
        found.append(Fault(field=FIELD, description=str(error)))
        return ()
    return (DatasetUse(name=ref, owner=there.user, digest=there.digest),)
