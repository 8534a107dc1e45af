"""Write docs/recipes.md, the list of every key of a job file, a recipe's from the schema itself.

Run as `python -m tests.house.reference`; with `--check` it only says whether the page is fresh.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fttrain.spec.recipe import schema

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "recipes.md"
HEAD = """\
# The job file, key by key

Generated from `fttrain.spec.recipe` and `tests/house/reference.py` by `make fmt`; do not edit.

```yaml
name: ants-bees-frozen            # what the daemon reads
priority: 10
after: [pretrain]

data:                             # the recipe: what the engine reads
  folder: {path: hymenoptera_data}
  augment: [horizontal_flip]
model:
  name: mobilenet_v2
  weights: IMAGENET1K_V1
train:
  seed: 0
  epochs: 25
  batch_size: 4
  trains: head
  optimizer: {sgd: {lr: 1e-3, momentum: 0.9}}
  schedule: {step: {every: 7, gamma: 0.1}}
```

It is YAML 1.2: `1e-3` is a number, `no` is a string, a key given twice is an error.
A choice is a map with a single key, such as `{sgd: {lr: 0.1}}`.
Where every option has a default, its bare name will do.
Keys that are not listed here are refused by name.
`ftctl schema` has all of this for your editor.

## What the daemon reads

| key | value | default | meaning |
|---|---|---|---|
| `name` | 1 to 63 of `a-z`, `0-9`, `-` | the start of the id | Unique among jobs that have not \
ended. |
| `resources.devices` | integer | `1` | How many devices the job needs. |
| `resources.memory` | `512MiB`, `11GiB`, `16GB`, bytes | a device for itself | Memory that it \
needs of each device; jobs that say theirs share devices, as far as they fit. |
| `priority` | -1000 to 1000 | `0` | Higher starts first, equal ones in order of submission. |
| `after` | list of names or ids | none | Jobs that must have succeeded first; if one fails, this \
one fails with that reason. |
| `not_before` | `2026-11-22T08:00:00+01:00`, `22:00` | at once | Starts no sooner; without a zone \
your local time, a bare time is the next such moment. |
| `timeout` | `2h30m`, `90s`, seconds | never | Ends the job as failed once its workers have run \
for so long in all; at least 1 s. |
| `labels` | map of strings | none | Yours to use. |
| `data`, `model`, `train`, `outputs` | maps | | The recipe, below. |

## What trains, and what it begins with

Selectors say what trains, in `train.trains` and `train.groups`: `head`, `all`, `first:k`, \
`last:k`, `block:features[-5:]`, `type:BatchNorm2d`, `param:bias`, and globs over parameter names.
A selector that matches nothing is an error.
What is frozen is frozen whole: its BatchNorm layers keep their statistics.

Weights come from torchvision (`IMAGENET1K_V1`), from timm (`timm`), from a file \
(`file:/path/weights.pth`), from another job (`job:pretrain/best`), or are drawn anew (`none`).
Preprocessing comes with the weights; where they bring none, the recipe must say it.
A weights file is never unpickled beyond its tensors.

## The recipe
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
