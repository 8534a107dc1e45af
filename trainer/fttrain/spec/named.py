"""Recipes that have a name: what a job file is based on by `recipe: NAME`.

Each is a file in `fttrain/recipes`: its title, what it is for and where its numbers come from, then
its keys as they would stand in a job file.
"""

import functools
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from fttrain import yamltext

NAMES = (
    "tutorial", "feature-extractor", "separate-lr", "separate-lr-as-run", "bias-only", "lp-ft",
    "gradual-unfreezing", "layer-decay", "torchvision-v1", "torchvision-v2",
)  # fmt: skip
"""All of them, in the order in which they are best read."""
_HEAD = ("title", "purpose", "source")
_WIDTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRecipe:
    """A recipe that job files can be based on."""

    name: str
    title: str
    """What it is, in a few words."""
    purpose: str
    """What it is for."""
    source: str
    """Where its numbers come from."""
    recipe: Mapping[str, Any]
    """Its keys, as plain data; what it leaves to the job file is not there."""
    yaml: str
    """The same as it would stand in a job file, with comments."""


def every() -> list[NamedRecipe]:
    """Return all of them, in the order of their names."""
    return [get(name) for name in NAMES]


@functools.cache
def get(name: str) -> NamedRecipe:
    """Return one of NAMES."""
    file = resources.files("fttrain") / "recipes" / f"{name}.yaml"
    text = file.read_text(encoding="utf-8")
    document = yamltext.load(text)
    values: dict[str, Any] = document.value
    head = {key: str(values.pop(key)) for key in _HEAD}
    first = min(document.line_of(key)[0] for key in values)
    body = "".join(text.splitlines(keepends=True)[first - 1 :])
    return NamedRecipe(name=name, recipe=values, yaml=_comment(name, head) + body, **head)


def _comment(name: str, head: Mapping[str, str]) -> str:
    said = (f"{name}: {head['title']}.", head["purpose"], f"Source: {head['source']}.")
    lines = [line for text in said for line in textwrap.wrap(text, _WIDTH - 2)]
    return "".join(f"# {line}\n" for line in lines)
