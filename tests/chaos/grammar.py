"""Makes values that fit a JSON Schema, often at its edges, and spoils them."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fttrain.spec.named import NAMES

_DEEP = 12
"""From here on only what must be there is made."""
NUMBERS = (
    5e-324,
    1e-45,
    1e-8,
    0.1,
    0.5,
    1.0,
    2.0,
    100.0,
    1e38,
    3.5e38,
    1e300,
    1.79e308,
)
COUNTS = (0, 1, 2, 3, 7, 8, 64, 255, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 10**30)
TEXTS = (
    "", "x", "train", "1%", "100%", "0.0001%", "../..", "/", "/dev/zero", "a\0b", "ä🙂", "x" * 5000,
    "%s{0}$(ls)", "none", "IMAGENET1K_V1", "job:ants/best", "file:/etc/passwd", "dataset:shapes",
    "\u202e", "1e5", "-", "null", "head", "features[-1:]", "features[0:99999999999]", "type:Linear",
    "param:bias", "block:*", "last:1", "first:99999999999999999999", "**", "[", "*[", "re:(a+)+$",
)  # fmt: skip
JUNK: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, float("nan"), float("inf"), {}, [], [[]], {"x": {}}, {"": None},
)  # fmt: skip
BROKEN = (
    "", " ", "null", "[]", "{}", "0", '"x"', "{", "NaN", '{"data":', "[" * 5000, '{"a":' * 5000,
    "[" * 200 + "]" * 200, "\ufeff{}", '{"data":NaN}', '{"train":{"epochs":1e999}}', "-", "'",
    '{"train":{"epochs":1},"train":{"epochs":2}}', '{"\\ud800":1}', '{"model":{"name":"\\udfff"}}',
    '{"train":{"seed":' + "9" * 5000 + "}}", '{"train":{"epochs":1.0}}', '{"data":"\\u0000"}',
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """Makes values of one schema, by one source of chance."""

    chance: random.Random
    schema: Mapping[str, Any]
    hints: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Key -> what often stands there."""

    def value(self, node: Mapping[str, Any], *, depth: int = 0, name: str = "") -> Any:
        """Return what fits a node of the schema, as far as a schema can say."""
        if name in self.hints and self.chance.random() < 0.7:
            return self.chance.choice(self.hints[name])
        if "$ref" in node:
            return self.value(self._named(node["$ref"]), depth=depth, name=name)
        for word in ("oneOf", "anyOf"):
            if word in node:
                return self.value(self.chance.choice(node[word]), depth=depth + 1, name=name)
        if "const" in node:
            return node["const"]
        if "enum" in node:
            return self.chance.choice(node["enum"])
        return self._of_type(node, depth)

    def _of_type(self, node: Mapping[str, Any], depth: int) -> Any:
        kind = node.get("type", "string")
        match self.chance.choice(kind) if isinstance(kind, list) else kind:
            case "object":
                return self._map(node, depth)
            case "array":
                return self._list(node, depth)
            case "integer":
                return self._number(node, COUNTS)
            case "number":
                return self._number(node, NUMBERS)
            case "boolean":
                return self.chance.random() < 0.5
            case "null":
                return None
        return self.chance.choice([text for text in TEXTS if len(text) >= node.get("minLength", 0)])

    def _map(self, node: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = node.get("required", [])
        made = {
            name: self.value(child, depth=depth + 1, name=name)
            for name, child in node.get("properties", {}).items()
            if name in required or self.chance.random() < (0.2 if depth < _DEEP else 0)
        }
        rest = node.get("additionalProperties")
        if isinstance(rest, dict):
            keys = self.chance.sample(TEXTS[1:], self.chance.randrange(3))
            made |= {key: self.value(rest, depth=depth + 1) for key in keys}
        return made

    def _list(self, node: Mapping[str, Any], depth: int) -> list[Any]:
        if "prefixItems" in node:
            return [self.value(each, depth=depth + 1) for each in node["prefixItems"]]
        least = node.get("minItems", 0)
        count = min(least + self.chance.choice((0, 0, 1, 2)), node.get("maxItems", 1000))
        return [self.value(node.get("items", {}), depth=depth + 1) for _ in range(count)]

    def _number(self, node: Mapping[str, Any], among: Sequence[float]) -> Any:
        if "default" in node and self.chance.random() < 0.3:
            return node["default"]
        low = node.get("minimum", node.get("exclusiveMinimum"))
        high = node.get("maximum", node.get("exclusiveMaximum"))
        edges = [each for each in (low, high) if each is not None]
        fitting = [each for each in (*among, *edges) if _fits(each, node)]
        return self.chance.choice(fitting or [1])

    def _named(self, reference: str) -> Mapping[str, Any]:
        named: Mapping[str, Any] = self.schema["$defs"][reference.rsplit("/", 1)[1]]
        return named

    def spoiled(self, value: Any) -> Any:
        """Return a copy in which one place is something else."""
        copy = json.loads(json.dumps(value))
        holder, key = self.chance.choice(list(_places(copy)) or [(None, None)])
        if holder is None:
            return self._junk()
        match self.chance.randrange(4):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[self.chance.choice(TEXTS)] = holder.pop(key)
            case 2:
                holder[key] = [holder[key]] * self.chance.choice((1, 2, 40))
            case _:
                holder[key] = self._junk()
        return copy

    def _junk(self) -> Any:
        return self.chance.choice((*JUNK, *COUNTS, *NUMBERS, *TEXTS))


def _fits(value: float, node: Mapping[str, Any]) -> bool:
    return bool(
        node.get("minimum", value) <= value <= node.get("maximum", value)
        and node.get("exclusiveMinimum", value - 1) < value
        and value < node.get("exclusiveMaximum", float("inf"))
    )


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipes:
    """Makes the texts of recipes: sound ones, nearly sound ones, and what is none."""

    grammar: Grammar
    sound: Sequence[Mapping[str, Any]]
    """Recipes that can be planned."""

    def text(self) -> str:
        """Return one."""
        chance = self.grammar.chance
        if chance.random() < 0.15:
            return json.dumps(self.based())
        match chance.random():
            case dice if dice < 0.08:
                return json.dumps(chance.choice(self.sound))
            case dice if dice < 0.14:
                return json.dumps(self.changed())
            case dice if dice < 0.4:
                return json.dumps(self.grammar.value(self.grammar.schema))
            case dice if dice < 0.85:
                value = chance.choice((self.changed, self._any))()
                for _ in range(chance.choice((1, 1, 2, 8))):
                    value = self.grammar.spoiled(value)
                return json.dumps(value)
        return chance.choice(BROKEN)

    def based(self) -> Any:
        """Return a recipe that is based on a named one, and says some things of its own."""
        chance = self.grammar.chance
        made = chance.choice((self.changed, self._any))()
        for _ in range(chance.choice((0, 0, 1, 4))):
            made = self.grammar.spoiled(made)
        if not isinstance(made, dict):
            return made
        kept = {key: value for key, value in made.items() if chance.random() < 0.7}
        name: Any = chance.choice((*NAMES, *NAMES, *TEXTS, None, {}))
        return {"recipe": name, **kept}

    def changed(self) -> Any:
        """Return a sound recipe of which one part is another that its schema allows."""
        made = json.loads(json.dumps(self.grammar.chance.choice(self.sound)))
        section = self.grammar.chance.choice(("data", "model", "train"))
        drawn = self._any()[section]
        kept = {"data": made["data"]} if section == "data" else {}
        names = [
            name for name in drawn if name not in ("folder", "digits", "fake", "name", "cnn", "rn")
        ]
        for name in names[:1] if kept else names:
            made[section][name] = drawn[name]
        return made

    def _any(self) -> Any:
        return self.grammar.value(self.grammar.schema)
