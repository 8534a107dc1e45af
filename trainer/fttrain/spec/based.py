"""The JSON Schema of a recipe as it is written: whole, or based on a named one.

What is based on another recipe may leave out whatever that says, and takes a key of it out by
`null`. Lists replace, so that their entries are whole; so does a choice of another kind, which no
schema can tell from one of the same kind.
"""

from collections.abc import Mapping
from typing import Any

from fttrain.spec import named, recipe
from fttrain.spec.basing import KEY

_PARTIAL = "Partial"
Node = Mapping[str, Any]


def schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12)."""
    whole = recipe.schema()
    definitions: dict[str, Node] = whole["$defs"]
    properties: dict[str, Node] = whole["properties"]
    base = {
        "enum": list(named.NAMES),
        "description": "A recipe that this one is based on: what stands here is merged over it, "
        "maps key by key, lists as a whole; `null` takes a key out.",
    }
    then = {key: _loosened(node) for key, node in properties.items()}
    return {
        **{key: value for key, value in whole.items() if key not in ("properties", "required")},
        "properties": {KEY: base, **{key: {} for key in properties}},
        "if": {"required": [KEY]},
        "then": {"type": "object", "properties": then},
        "else": {"type": "object", "properties": properties, "required": whole["required"]},
        "$defs": {**definitions, **_partial(then, definitions)},
    }


def _partial(node: Any, definitions: Mapping[str, Node]) -> dict[str, Node]:
    """Return the loosened definitions that a node refers to, at any remove."""
    found: dict[str, Node] = {}
    ahead = [node]
    while ahead:
        match ahead.pop():
            case {"$ref": str(reference)} if _PARTIAL in reference and reference not in found:
                found[reference] = _loosened(definitions[reference.rpartition(_PARTIAL)[2]])
                ahead.append(found[reference])
            case dict() as within:
                ahead += within.values()
            case list() as within:
                ahead += within
    return {reference.rpartition("/")[2]: found[reference] for reference in sorted(found)}


def _loosened(node: Node) -> dict[str, Any]:
    """Return a node that is merged over another one: nothing in it is required."""
    skipped = ("required", "if", "then", "else")
    loose = {key: value for key, value in node.items() if key not in skipped}
    if "$ref" in node:
        prefix, _, name = node["$ref"].rpartition("/")
        loose["$ref"] = f"{prefix}/{_PARTIAL}{name}"
    if "properties" in node:
        loose["properties"] = {key: _or_null(each) for key, each in node["properties"].items()}
    for word in ("anyOf", "oneOf"):
        if word in node:
            loose[word] = [_alternative(each) for each in node[word]]
    return loose


def _alternative(node: Node) -> dict[str, Any]:
    """Return one of several: of a choice, the key that says which stays required."""
    loose = _loosened(node)
    is_choice = "required" in node and "title" not in node
    return {**loose, "required": node["required"]} if is_choice else loose


def _or_null(node: Node) -> dict[str, Any]:
    about = {key: node[key] for key in ("title", "description", "default") if key in node}
    return {**about, "anyOf": [_loosened(node), {"type": "null"}]}
