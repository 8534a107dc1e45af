"""Write docs/recipes.md, the list of every key of a recipe, from the schema itself.

Run as `python -m tests.house.reference`; with `--check` it only says whether the page is fresh.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fttrain.spec.recipe import schema

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "recipes.md"
HEAD = """\
# The recipe, key by key

Generated from `fttrain.spec.recipe` by `make fmt`; do not edit.
A choice is a map with a single key, such as `{sgd: {lr: 0.1}}`.
Where every option has a default, its bare name will do.
Keys that are not listed here are refused by name.
"""
Schema = dict[str, Any]


def main(arguments: list[str]) -> int:
    """Write the page, or check it; return 1 where it is stale."""
    text = page(schema())
    if "--check" not in arguments:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        print("docs/recipes.md is stale: make fmt", file=sys.stderr)
        return 1
    else:
        print("docs/recipes.md: fresh")
    return 0


def page(root: Schema) -> str:
    """Return the page as Markdown."""
    return "\n".join([HEAD, *_section(root, "", root)]).rstrip() + "\n"


def _section(root: Schema, path: str, node: Schema) -> Iterator[str]:
    """Yield the lines of one map and, after them, of all maps within it."""
    needed = node.get("required", [])
    if path:
        yield f"## {path}\n"
        yield " ".join(node["description"].split()) + "\n"
    if node["properties"]:
        yield "| key | value | default | meaning |\n|---|---|---|---|"
        for key, value in node["properties"].items():
            default = "required" if key in needed else _default(value)
            meaning = value.get("description", _target(root, value).get("description", ""))
            kind = _kind(root, value)
            yield f"| `{key}` | {kind} | {default} | {' '.join(meaning.split())} |"
        yield ""
    for key, value in node["properties"].items():
        yield from _beneath(root, f"{path}.{key}" if path else key, value)


def _beneath(root: Schema, path: str, value: Schema) -> Iterator[str]:
    lists = [o["items"] for o in value.get("anyOf", [value]) if o.get("items")]
    if lists:
        yield from _beneath(root, f"{path}[]", lists[0])
        return
    target = _target(root, value)
    if "oneOf" in target:
        for name, options in _alternatives(target):
            yield from _section(root, f"{path}.{name}", _target(root, options))
    elif "properties" in target:
        yield from _section(root, path, target)


def _target(root: Schema, value: Schema) -> Schema:
    """Follow a reference, through `or null` too."""
    for option in value.get("anyOf", [value]):
        if "$ref" in option:
            target: Schema = root["$defs"][option["$ref"].rsplit("/", 1)[1]]
            return target
    return {}


def _alternatives(target: Schema) -> Iterator[tuple[str, Schema]]:
    for option in target["oneOf"]:
        yield from option.get("properties", {}).items()


def _kind(root: Schema, value: Schema) -> str:
    options = [o for o in value.get("anyOf", [value]) if o.get("type") != "null"]
    return " or ".join(_plain(root, option) for option in options)


def _plain(root: Schema, value: Schema) -> str:
    target = _target(root, value)
    match value:
        case _ if "oneOf" in target:
            return "one of " + ", ".join(f"`{name}`" for name, _ in _alternatives(target))
        case _ if target:
            return "map"
        case {"enum": names}:
            return "one of " + ", ".join(f"`{name}`" for name in names)
        case {"const": name}:
            return f"`{name}`"
        case {"prefixItems": items}:
            return f"list of {len(items)}: {_plain(root, items[0])}"
        case {"type": "array"}:
            return f"list of {_plain(root, value['items'])}"
        case _:
            return " ".join([value["type"], *_limits(value)])


def _limits(value: Schema) -> list[str]:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return [f"{sign} {value[name]}" for name, sign in words.items() if name in value]


def _default(value: Schema) -> str:
    match value.get("default"):
        case None:
            return ""
        case bool(flag):
            return f"`{str(flag).lower()}`"
        case dict(choice):
            return f"`{next(iter(choice))}`"
        case list(items):
            return f"`[{', '.join(str(item) for item in items)}]`"
        case other:
            return f"`{other}`"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
