"""Trainings in stages beside such that have one: what all stages share is told as of the whole."""

from collections.abc import Mapping, Sequence
from typing import Any

from ftctl.comparison import wording
from ftctl.view import text

OWN = (
    "trains", "groups", "layer_decay", "optimizer", "schedule", "warmup", "norm_weight_decay",
    "bias_weight_decay",
)  # fmt: skip
"""What a stage may state in the place of `train`."""
_AUGMENT = "augment"

Recipe = Mapping[str, Any]
_Stages = list[dict[str, Any]]


def unified(recipes: Sequence[Recipe]) -> list[Recipe]:
    """Return recipes in which a stage states what differs between stages, and nothing else.

    Where they differ in how many stages there are, `train.epochs` is how long all of them take.
    Without stages in any of them, they stay as they are.
    """
    if not any(_train(recipe).get("stages") for recipe in recipes):
        return list(recipes)
    staged = [_stages(recipe) for recipe in recipes]
    shared = [
        name for name in (*OWN, _AUGMENT) if all(_is_constant(stages, name) for stages in staged)
    ]
    told = [_told(recipe, stages, shared) for recipe, stages in zip(recipes, staged, strict=True)]
    if len({len(stages) for stages in staged}) == 1:
        return told
    return [_timed(recipe, stages) for recipe, stages in zip(told, staged, strict=True)]


def shown(stages: Sequence[Mapping[str, Any]]) -> str:
    """Return stages in a few words: `4 epochs head → 8 epochs all (schedule cosine)`."""
    return " → ".join(map(_stage, stages)) or wording.NONE


def _stage(stage: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in stage.items() if key not in ("epochs", "trains")}
    parts = [
        text.counted(stage.get("epochs") or 0, "epoch"),
        wording.whole(stage["trains"]) if "trains" in stage else "",
        f"({wording.named(rest)})" if rest else "",
    ]
    return " ".join(part for part in parts if part)


def _stages(recipe: Recipe) -> _Stages:
    """Return the stages, each with all that holds in it; of a training without, the one it is."""
    train = _train(recipe)
    whole = {name: train[name] for name in OWN if name in train}
    whole[_AUGMENT] = _section(recipe, "data").get(_AUGMENT, [])
    stages = train.get("stages") or [{"epochs": train.get("epochs")}]
    return [{"epochs": stage["epochs"], **whole, **stage} for stage in stages]


def _is_constant(stages: _Stages, name: str) -> bool:
    return all(stage.get(name) == stages[0].get(name) for stage in stages)


def _told(recipe: Recipe, stages: _Stages, shared: Sequence[str]) -> Recipe:
    whole = {name: stages[0][name] for name in shared if name in stages[0]}
    data = {key: value for key, value in _section(recipe, "data").items() if key != _AUGMENT}
    if _AUGMENT in whole:
        data[_AUGMENT] = whole.pop(_AUGMENT)
    rest = {
        key: value for key, value in _train(recipe).items() if key not in (*OWN, "stages", "epochs")
    }
    left_out = {*shared, *(["optimizer_state"] if _begin_anew(stages) else [])}
    own = [{key: value for key, value in stage.items() if key not in left_out} for stage in stages]
    return {**recipe, "data": data, "train": {**rest, **whole, "stages": own}}


def _timed(recipe: Recipe, stages: _Stages) -> Recipe:
    epochs = sum(stage["epochs"] or 0 for stage in stages)
    return {**recipe, "train": {"epochs": epochs, **recipe["train"]}}


def _begin_anew(stages: _Stages) -> bool:
    """Return whether optimizers begin anew with each stage, as they do where nothing is said."""
    return all(stage.get("optimizer_state", "reset") == "reset" for stage in stages)


def _train(recipe: Recipe) -> Mapping[str, Any]:
    return _section(recipe, "train")


def _section(recipe: Recipe, name: str) -> Mapping[str, Any]:
    section = recipe.get(name)
    return section if isinstance(section, Mapping) else {}
