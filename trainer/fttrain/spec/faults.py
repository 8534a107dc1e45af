"""Faults of a recipe: all at once, each with its place and what would be right."""

import functools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from fttrain.spec.choice import is_tag
from fttrain.spec.nearest import nearest
from fttrain.spec.recipe import Recipe, schema

# Words of the design whose behaviour this version does not have. They are refused by name, so
# that nobody believes they were heeded.
NOT_BUILT = {
    "data.veri",
    "sweep",
}  # fmt: skip

# Words that other programs have where this one has another place for them.
ELSEWHERE = {
    "data.augment.mixup": "`mixup` mixes whole batches; say it under data.mix",
    "data.augment.cutmix": "`cutmix` mixes whole batches; say it under data.mix",
}

# Faults that are described one by one: nobody reads more, and each unknown key is looked up.
MOST_FAULTS = 100
_SHOWN_KEYS = 6

# Where a key may stand that was written elsewhere; `name` means another thing in each place.
_SECTIONS = ((), ("data",), ("model",), ("train",))
_MANY_MEANINGS = {"name"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: a field path such as `train.optimizer.sgd.lr`, and a sentence."""

    field: str
    description: str


class RecipeFaults(Exception):
    """A recipe that cannot be run, with every fault found."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{f.field}: {f.description}" for f in faults))
        self.faults = tuple(faults)


def parse(recipe_json: str) -> Recipe:
    """Read a recipe from JSON text.

    Raises:
        RecipeFaults: with all faults of the schema.
    """
    try:
        return Recipe.model_validate_json(recipe_json)
    except ValidationError as error:
        raise RecipeFaults(list(_faults(error))) from None


def _faults(error: ValidationError) -> Iterator[Fault]:
    items = error.errors(include_url=False)
    for item in items[:MOST_FAULTS]:
        location = tuple(part for part in item["loc"] if not is_tag(part))
        yield Fault(field=path_text(location), description=_describe(item, location))
    if len(items) > MOST_FAULTS:
        yield Fault(field="", description=f"and {len(items) - MOST_FAULTS} more faults")


def path_text(location: Iterable[str | int]) -> str:
    """Write a location as a field path: names joined by dots, positions in brackets."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _describe(item: Any, location: tuple[str | int, ...]) -> str:
    kind, given, context = item["type"], item["input"], item.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return unknown_key(location)
        case "missing":
            return "is missing"
        case "value_error":
            return str(context["error"])
        case "literal_error":
            return _unknown_choice(given, re.findall("'([^']+)'", context["expected"]))
        case "list_type":
            return f"should be a list, not {_shown(given)}"
        case "too_short" if isinstance(given, list):
            least = context["min_length"]
            return f"needs at least {least} entr{'y' if least == 1 else 'ies'}, not {len(given)}"
        case "model_type" | "dict_type":
            return f"should be a map{_of_keys(location)}, not {_shown(given)}"
        case "json_invalid":
            return f"is not JSON: {context['error']}"
        case _:
            message = item["msg"].removeprefix("Input ")
            return f"{message[0].lower()}{message[1:]}, not {_shown(given)}"


def _of_keys(location: Sequence[str | int]) -> str:
    known = keys_at(location)
    shown = [*known[:_SHOWN_KEYS], "..."] if len(known) > _SHOWN_KEYS else known
    return f" of {', '.join(shown)}" if shown else ""


def _unknown_choice(given: Any, known: Sequence[str]) -> str:
    near = nearest(given, known) if isinstance(given, str) else None
    if near:
        return f"{_shown(given)} is unknown; did you mean `{near}`?"
    return f"{_shown(given)} is not one of {', '.join(known)}"


def _shown(value: Any) -> str:
    # As it is written in YAML: true, not True.
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def unknown_key(location: tuple[str | int, ...]) -> str:
    """Describe an unknown key: not built yet, mistyped (with the nearest), or plain wrong."""
    name = str(location[-1])
    plain = ".".join(str(part) for part in location if isinstance(part, str))
    if plain in NOT_BUILT:
        return f"`{name}` is not built in this version; leave it out"
    if plain in ELSEWHERE:
        return ELSEWHERE[plain]
    known = keys_at(location[:-1])
    guesses = [_misplaced(name), nearest(name, known)]
    # Deep within, a word of that place is likelier than one of another.
    near = next(filter(None, reversed(guesses) if len(location) > 2 else guesses), None)
    if near == name:
        return f"unknown key `{name}`; it belongs at the top, beside `train`"
    if near:
        return f"unknown key `{name}`; did you mean `{near}`?"
    return f"unknown key `{name}`; known here: {', '.join(known)}"


def _misplaced(name: str) -> str | None:
    """Return the path of the only place where a key of this name may stand."""
    if name in _MANY_MEANINGS:
        return None
    places = [path_text((*section, name)) for section in _SECTIONS if name in keys_at(section)]
    return places[0] if len(places) == 1 else None


def keys_at(location: Sequence[str | int]) -> list[str]:
    """Return the keys that a recipe may have at a location, in the schema's order."""
    root = _root()
    nodes = [root]
    for part in location:
        nodes = [child for node in nodes for child in _children(root, node, part)]
    return list(dict.fromkeys(key for node in nodes for key in _properties(root, node)))


@functools.cache
def _root() -> dict[str, Any]:
    return schema()


def _expand(root: dict[str, Any], node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "$ref" in node:
        node = root["$defs"][node["$ref"].rsplit("/", 1)[1]]
    alternatives = node.get("oneOf", []) + node.get("anyOf", [])
    if not alternatives:
        yield node
    for alternative in alternatives:
        yield from _expand(root, alternative)


def _children(
    root: dict[str, Any], node: dict[str, Any], part: str | int
) -> Iterator[dict[str, Any]]:
    for expanded in _expand(root, node):
        if isinstance(part, int) and "items" in expanded:
            yield expanded["items"]
        elif part in expanded.get("properties", {}):
            yield expanded["properties"][part]


def _properties(root: dict[str, Any], node: dict[str, Any]) -> Iterator[str]:
    for expanded in _expand(root, node):
        yield from expanded.get("properties", {})
