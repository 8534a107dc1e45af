"""Where the images of an attempt come from."""

from collections.abc import Callable, Iterator
from pathlib import Path

from fttrain.assembly import InputsChanged
from fttrain.data import sources, split
from fttrain.data import view as views
from fttrain.data.samples import Source
from fttrain.data.sparing import Sparing, watched
from fttrain.data.stream import Batch
from fttrain.data.view import StagedView, TrainView
from fttrain.spec import stages
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from fttrain.spec.rundir import AttemptCard


def source(recipe: Recipe, plan: Plan, card: AttemptCard) -> Source:
    """Return the images, which must be those of the plan.

    Raises:
        InputsChanged: where they are others.
    """
    try:
        found = sources.load(recipe.data, card.references)
    except RecipeFaults as faults:
        raise InputsChanged(f"the data has changed since the plan: {faults}") from None
    if found.fingerprint != plan.data.fingerprint:
        raise InputsChanged(f"the images of {found.name} have changed since the plan")
    return found.without({*plan.data.bad, *plan.data.dropped})


def view(recipe: Recipe, plan: Plan) -> TrainView | StagedView:
    """Return how training images are seen, in each epoch of one repeat as its stage has it."""
    steps = plan.preprocess.steps
    if not plan.stages:
        return views.of(recipe, steps)
    return StagedView(
        views=[views.of(each, steps) for each in stages.of(recipe)],
        begins=[card.first_epoch for card in plan.stages],
    )


def write_split(found: Source, run_dir: Path) -> bool:
    """Leave a table of which image is in which split; False where that is not for us to say."""
    if found.is_drawn:
        split.write(found, run_dir / split.CSV)
    return found.is_drawn


def heeding(
    batches: Iterator[Batch],
    spared: Sparing,
    recipe: Recipe,
    plan: Plan,
    *,
    known: dict[str, str],
    tell: Callable[[str], None],
) -> Iterator[Batch]:
    """Yield the batches; tell of images that turn out bad, and add them to the known ones.

    Raises:
        TooManyBad: where there are more than the recipe allows.
    """
    data = plan.data
    parts = [part.images for part in (data.train, data.val, data.test) if part is not None]
    images = sum(parts) + len(data.bad) + len(data.dropped)
    return watched(
        batches,
        spared,
        known=known,
        allowed=recipe.data.most_bad(images),
        images=images,
        tell=tell,
    )
