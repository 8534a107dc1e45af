"""A run that goes on from where another, ended one was: whether it can, and from what."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fttrain import stopping
from fttrain.assembly import InputsChanged
from fttrain.models.tensors import BadWeights
from fttrain.optim import schedules
from fttrain.optim.schedules import Course
from fttrain.resumption import Found, Resumption, begun_by
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.plan import ContinuedCard, GroupCard, Plan
from fttrain.spec.recipe import Recipe
from fttrain.state import checkpoint

_FIELD = "train.continue"
# What the tensors and the place in the order of the images depend on.
_SAME = (
    "model.name", "model.cnn", "model.rn", "model.head", "model.layers", "model.weights",
    "train.seed", "train.batch_size", "train.accumulate", "train.trains", "data.repeats",
)  # fmt: skip


def plan(
    recipe: Recipe,
    references: Mapping[str, str],
    *,
    course: Course,
    classes: Sequence[str],
    images: int,
    groups: Sequence[GroupCard],
) -> ContinuedCard | None:
    """Return what a recipe goes on from; None where it begins at the beginning.

    Args:
        recipe: the recipe.
        references: `job:NAME` to that job's last checkpoint.
        course: of its learning rate.
        classes: of its images.
        images: how many there are to train on.
        groups: what trains.

    Raises:
        RecipeFaults: where it cannot go on, with all that stands against it.
    """
    text = recipe.train.continue_
    if text is None:
        return None
    if text not in references:
        raise _fault(_FIELD, f"no job is known here that `{text}` could mean")
    try:
        found = Found.read(Path(references[text]))
    except BadWeights as bad:
        raise _fault(_FIELD, str(bad)) from None
    card = found.card
    faults = [
        *_of_place(recipe, card, text),
        *_of_sections(recipe, card.recipe, text),
        *_of_optimizer(recipe, card, text, groups),
        *_of_data(card, text, classes=classes, images=images),
    ]
    if faults:
        raise RecipeFaults(faults)
    return ContinuedCard(
        job=card.job_name,
        path=str(found.path),
        sha256=found.contents.sha256,
        epochs=_trained(card),
        step=card.step,
        schedule=_schedule(recipe, card, course),
    )


def notice(continued: ContinuedCard, recipe: Recipe) -> str:
    """Say where a run goes on, and by which rates."""
    kind = recipe.train.schedule.kind
    how = {
        "extended": f"the schedule `{kind}` is extended: no rate before would have been another",
        "stretched": f"the schedule `{kind}` is stretched over {recipe.train.epochs} epochs: rates "
        "go on as if they had been planned from the beginning",
        "replaced": f"the schedule `{kind}` takes the place of that job's",
    }[continued.schedule]
    after = f"epoch {continued.epochs}, step {continued.step}"
    return f"goes on from job {continued.job} after {after}; {how}"


def start(continued: ContinuedCard, recipe: Recipe, plan: Plan) -> Resumption:
    """Return what a run goes on from.

    Raises:
        InputsChanged: where it has changed since the plan.
        BadWeights: where it is gone.
        ResumeRefused: where the recipe wants an exact run, and this one could not be.
    """
    found = Found.read(Path(continued.path))
    if found.contents.sha256 != continued.sha256:
        raise InputsChanged(f"{continued.path} has changed since the job was planned")
    return begun_by(found, recipe, plan)


def _of_place(recipe: Recipe, card: checkpoint.Card, text: str) -> Iterator[Fault]:
    train, done = recipe.train, _trained(card)
    if card.format == 1:
        yield Fault(field=_FIELD, description=f"`{text}` was trained by a version before this word")
    if card.plan.stages:
        what = f"`{text}` was trained in stages; to begin with its weights, say model.weights"
        yield Fault(field=_FIELD, description=what)
    if card.repeat or train.repeats > 1:
        yield Fault(field="train.repeats", description="a run that is repeated cannot go on")
    if train.epochs <= done:
        what = f"is {train.epochs}, and `{text}` has trained {done} already; say more"
        yield Fault(field="train.epochs", description=what)
    if train.max_steps is not None and train.max_steps <= card.step:
        what = f"is {train.max_steps}, and `{text}` has made {card.step} already; say more"
        yield Fault(field="train.max_steps", description=what)
    if card.step < done * card.plan.steps_per_epoch and not card.plan.stages:
        what = f"`{text}` ended amid an epoch, by its max_steps; it cannot go on"
        yield Fault(field=_FIELD, description=what)
    if stopping.is_due(train.early_stopping, card.epochs):
        what = f"has ended `{text}`, and would end this run at once; raise patience or leave it out"
        yield Fault(field="train.early_stopping", description=what)


def _of_sections(recipe: Recipe, other: Recipe, text: str) -> Iterator[Fault]:
    mine, theirs = recipe.model_dump(mode="json"), other.model_dump(mode="json")
    for field in _SAME:
        section, _, key = field.partition(".")
        stated, before = mine[section].get(key), theirs[section].get(key)
        if stated != before:
            yield Fault(field=field, description=_must_be(before, text))


def _of_optimizer(
    recipe: Recipe, card: checkpoint.Card, text: str, groups: Sequence[GroupCard]
) -> Iterator[Fault]:
    mine, theirs = recipe.train.optimizer.plain.kind, card.recipe.train.optimizer.plain.kind
    if mine != theirs:
        yield Fault(field="train.optimizer", description=_must_be(theirs, text))
    if recipe.train.ema is not None and card.recipe.train.ema is None:
        what = f"`{text}` has kept no mean of its weights; leave it out"
        yield Fault(field="train.ema", description=what)
    names = {name for group in groups for name in group.names}
    if names != {name for group in card.plan.groups for name in group.names}:
        what = f"trains other parameters than `{text}` did"
        yield Fault(field="train.trains", description=what)


def _of_data(
    card: checkpoint.Card, text: str, *, classes: Sequence[str], images: int
) -> Iterator[Fault]:
    before = card.plan.data
    if list(classes) != before.classes:
        what = f"has other classes than `{text}`; to begin with its weights, say model.weights"
        yield Fault(field="data", description=what)
    elif images != before.train.images:
        what = (
            f"has {images} images to train on, `{text}` had {before.train.images}; to begin with "
            f"its weights, say `model.weights: {text}/last`"
        )
        yield Fault(field="data", description=what)


def _schedule(recipe: Recipe, card: checkpoint.Card, course: Course) -> Any:
    before = card.recipe.train
    if (before.schedule, before.warmup) != (recipe.train.schedule, recipe.train.warmup):
        return "replaced"
    was = Course(
        schedule=before.schedule,
        warmup=before.warmup,
        epochs=before.epochs,
        steps_per_epoch=card.plan.steps_per_epoch,
    )
    is_same = all(
        schedules.lr(1.0, step, was) == schedules.lr(1.0, step, course)
        and schedules.momentum(step, was) == schedules.momentum(step, course)
        for step in range(card.step)
    )
    return "extended" if is_same else "stretched"


def _trained(card: checkpoint.Card) -> int:
    return sum(ended.train is not None for ended in card.epochs)


def _must_be(value: object, text: str) -> str:
    return f"must be {value if value is not None else 'left out'}, as in `{text}`"


def _fault(field: str, description: str) -> RecipeFaults:
    return RecipeFaults([Fault(field=field, description=description)])
