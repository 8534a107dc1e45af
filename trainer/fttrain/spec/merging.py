"""A recipe over another one: what it says counts, of the rest what the other says.

Maps are merged key by key; lists, numbers and texts replace. A choice, such as an optimizer, is
merged with one of its kind and replaces one of another. Of keys that exclude each other, such as
the origins of images, the upper one's counts. `null` takes a key out. A map over a list, with keys
such as `[0]`, is merged into its entries.
"""

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from fttrain.spec.choice import OneOf
from fttrain.spec.images import SOURCES, Data
from fttrain.spec.network import NETS, Model
from fttrain.spec.optimization import Group
from fttrain.spec.recipe import Recipe
from fttrain.spec.schedules import Warmup
from fttrain.spec.training import Train


def _alone(*keys: str) -> Mapping[str, frozenset[str]]:
    return {key: frozenset(keys) - {key} for key in keys}


# What a key drives out of the recipe below. Stages state their epochs themselves; epochs drive no
# stages out, as nobody would see that they are gone.
_DRIVES_OUT: Mapping[type[BaseModel], Mapping[str, frozenset[str]]] = {
    Data: _alone(*SOURCES),
    Model: _alone(*NETS),
    Warmup: _alone("epochs", "steps"),
    Group: _alone("lr", "lr_factor"),
    Train: {"stages": frozenset({"epochs"})},
}


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe, as plain data, merged over another one; neither is changed.

    What is no recipe is merged all the same: its faults are found in the whole.
    """
    return _map(under, over, Recipe)


def _map(
    under: Mapping[str, Any], over: Mapping[str, Any], kind: type[BaseModel] | None
) -> dict[str, Any]:
    # A net with nothing behind its key is one with its defaults, as `cnn:`.
    said = {name for name, value in over.items() if value is not None or name not in under}
    drives_out = _DRIVES_OUT.get(kind, {}) if kind else {}
    gone = {name for key in said for name in drives_out.get(key, ())} - said
    kept = {name: value for name, value in under.items() if name not in gone}
    for name, value in over.items():
        if value is None and name in kept:
            del kept[name]
        else:
            kept[name] = _value(kept[name], value, _hint(kind, name)) if name in kept else value
    return kept


def _value(under: Any, over: Any, hint: Any) -> Any:
    """Merge what stands at a key; `hint` is the type that the schema has there."""
    if isinstance(under, list):
        return _entries(under, over, hint) if _are_places(over, len(under)) else over
    kind = next(_models(hint), None)
    if kind is not None and issubclass(kind, OneOf):
        return _choice(under, over, kind)
    if isinstance(under, dict) and isinstance(over, dict):
        return _map(under, over, kind)
    return over


def _entries(under: list[Any], over: Mapping[str, Any], hint: Any) -> list[Any]:
    within = next(_of_lists(hint), None)
    return [
        _value(entry, over[place], within) if (place := f"[{number}]") in over else entry
        for number, entry in enumerate(under)
    ]


def _are_places(over: Any, count: int) -> bool:
    places = {f"[{number}]" for number in range(count)}
    return isinstance(over, dict) and bool(over) and over.keys() <= places


def _choice(under: Any, over: Any, kind: type[OneOf]) -> Any:
    below, above = _chosen(under), _chosen(over)
    if below is None or above is None or below.keys() != above.keys():
        return over
    return {name: _value(below[name], above[name], _hint(kind, name)) for name in above}


def _chosen(value: Any) -> dict[str, Any] | None:
    """Return a choice as a map of a single key: its bare name stands for its defaults."""
    if isinstance(value, str):
        return {value: {}}
    if isinstance(value, dict) and len(value) == 1:
        return {name: {} if options is None else options for name, options in value.items()}
    return None


# --- what the schema has where ----------------------------------------------------------------


def _hint(kind: type[BaseModel] | None, name: str) -> Any:
    for known, field in kind.model_fields.items() if kind else ():
        if name in (known, field.alias):
            return field.annotation
    return None


def _models(hint: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a value may be."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
    for part in _parts(hint):
        yield from _models(part)


def _of_lists(hint: Any) -> Iterator[Any]:
    """Yield the types that the entries of a list may have."""
    if get_origin(hint) is list:
        yield from get_args(hint)
    for part in _parts(hint):
        yield from _of_lists(part)


def _parts(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Annotated, Union, types.UnionType) else ()
