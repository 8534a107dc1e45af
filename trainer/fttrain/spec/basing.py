"""A recipe that is based on a named one by its key `recipe`: what comes out, and whose faults."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fttrain.spec import faults, named
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.merging import merged
from fttrain.spec.named import NamedRecipe
from fttrain.spec.nearest import nearest
from fttrain.spec.recipe import Recipe, canonical

KEY = "recipe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A recipe as it is run."""

    recipe: Recipe
    base: str
    """The name of the one that it was based on. Empty: none."""


def resolve(recipe_json: str) -> Resolved:
    """Read a recipe from JSON text, merged over the one that it is based on.

    Raises:
        RecipeFaults: with all faults of the schema; where the base is unknown, with that alone.
    """
    said = _said(recipe_json)
    if KEY not in said:
        return Resolved(recipe=faults.parse(recipe_json), base="")
    base = _base(said.pop(KEY))
    try:
        whole = faults.parse(json.dumps(merged(base.recipe, said)))
    except RecursionError:
        raise RecipeFaults([Fault(field="", description="is nested too deep")]) from None
    except RecipeFaults as found:
        raise RecipeFaults([_told(fault, said, base) for fault in found.faults]) from None
    return Resolved(recipe=whole, base=base.name)


def attributed(found: Iterable[Fault], base: str, of: Recipe) -> list[Fault]:
    """Have faults of a recipe say so where what they are about is as its base has it."""
    if base not in named.NAMES:
        return list(found)
    under, body = named.get(base).recipe, _plain(of)
    try:
        alike = _plain(faults.parse(json.dumps(merged(body, under))))
    except RecipeFaults:
        return list(found)

    def is_kept(field: str) -> bool:
        return _at(under, field) is not _NOTHING and _at(alike, field) == _at(body, field)

    return [_marked(fault, base) if is_kept(fault.field) else fault for fault in found]


def _said(recipe_json: str) -> dict[str, Any]:
    try:
        said = json.loads(recipe_json)
    except (ValueError, RecursionError):
        return {}  # told where it is parsed
    return said if isinstance(said, dict) else {}


def _base(name: Any) -> NamedRecipe:
    if isinstance(name, str) and name in named.NAMES:
        return named.get(name)
    shown = name if isinstance(name, str) else json.dumps(name)
    near = nearest(shown, named.NAMES)
    hint = f"did you mean `{near}`?" if near else f"there are {', '.join(named.NAMES)}"
    clipped = shown if len(shown) <= 60 else f"{shown[:57]}..."
    raise RecipeFaults([Fault(field=KEY, description=f"no recipe is named `{clipped}`; {hint}")])


def _told(fault: Fault, said: Mapping[str, Any], base: NamedRecipe) -> Fault:
    """Say of a fault that the file does not name a line for where it comes from."""
    here, below = _at(said, fault.field), _at(base.recipe, fault.field)
    if isinstance(here, dict) and isinstance(below, list):
        places = "[0]" if len(below) == 1 else f"[0] to [{len(below) - 1}]"
        has = f"recipe {base.name} has {places} here; name one of them, or write a list"
        return Fault(field=fault.field, description=f"{has} to replace them all")
    if here is not _NOTHING:
        return fault
    if below is _NOTHING or isinstance(below, dict):
        left = f"{fault.description}; recipe {base.name} leaves that to the job file"
        return Fault(field=fault.field, description=left)
    return _marked(fault, base.name)


def _marked(fault: Fault, base: str) -> Fault:
    return Fault(field=fault.field, description=f"{fault.description} (from recipe {base})")


_NOTHING = object()
_PART = re.compile(r"[^.\[\]]+")


def _at(body: Mapping[str, Any], field: str) -> Any:
    """Return what stands at a field path; within a text, such as a bare name, the text."""
    here: Any = body
    for part in _PART.findall(field):
        match here:
            case dict() if part in here:
                here = here[part]
            case list() if part.isdecimal() and int(part) < len(here):
                here = here[int(part)]
            case dict() | list() | None:
                return _NOTHING
    return here


def _plain(whole: Recipe) -> Any:
    return json.loads(canonical(whole))
