"""A training in stages, as one flat recipe per stage: what follows knows of no others."""

import re
from collections.abc import Iterable, Iterator, Sequence

from fttrain.spec.faults import Fault
from fttrain.spec.recipe import Recipe
from fttrain.spec.stage import Stage

_OWN = (
    "trains", "groups", "layer_decay", "optimizer", "schedule", "warmup", "norm_weight_decay",
    "bias_weight_decay",
)  # fmt: skip
"""What a stage states in the place of `train`."""
_FIELD = re.compile(rf"\btrain\.({'|'.join((*_OWN, 'epochs'))})\b|\bdata\.(augment)\b")


def of(recipe: Recipe) -> tuple[Recipe, ...]:
    """Return one recipe per stage, each as if its stage were all of the training.

    Without stages that is the recipe itself. Of several, `max_steps` is in none, `early_stopping`
    in the last alone, `evaluate_first` in the first alone: they concern the whole run.
    """
    stages = recipe.train.stages
    return tuple(_flat(recipe, place) for place in range(len(stages))) if stages else (recipe,)


def field(recipe: Recipe, place: int, path: str) -> str:
    """Return where a field of a stage's flat recipe is stated: in the stage, or outside of it.

    Any text may be given; all fields in it are replaced.
    """
    if not recipe.train.stages:
        return path
    stage = recipe.train.stages[place]

    def stated(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        is_own = getattr(stage, name) is not None
        return f"train.stages[{place}].{name}" if is_own else found[0]

    return _FIELD.sub(stated, path)


def faults(recipe: Recipe, found: Sequence[Iterable[Fault]]) -> Iterator[Fault]:
    """Yield the faults of each stage's flat recipe, with the fields that their user has stated.

    What all stages have from outside of them is told once, what some have with their names.
    """
    places: dict[Fault, list[int]] = {}
    for place, each in enumerate(found):
        for fault in dict.fromkeys(each):
            stated = Fault(
                field=field(recipe, place, fault.field),
                description=field(recipe, place, fault.description),
            )
            places.setdefault(stated, []).append(place)
    for fault, at in places.items():
        is_clear = fault.field.startswith("train.stages") or len(at) == len(found)
        where = ", ".join(f"train.stages[{place}]" for place in at)
        yield (
            fault
            if is_clear
            else Fault(field=fault.field, description=f"{fault.description} (in {where})")
        )


def _flat(recipe: Recipe, place: int) -> Recipe:
    train, stage = recipe.train, recipe.train.stages[place]
    is_last = place == len(train.stages) - 1
    own = {name: stated for name in _OWN if (stated := getattr(stage, name)) is not None}
    whole = {
        "stages": [],
        "epochs": stage.epochs,
        "max_steps": None,
        "early_stopping": train.early_stopping if is_last else None,
        "evaluate_first": train.evaluate_first and place == 0,
    }
    changes: dict[str, object] = {"train": train.model_copy(update={**whole, **own})}
    if stage.augment is not None:
        changes["data"] = recipe.data.model_copy(update={"augment": stage.augment})
    return recipe.model_copy(update=changes)


__all__ = ["Stage", "faults", "field", "of"]
