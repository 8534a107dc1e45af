"""The vocabulary of recipes: every word of the schema, and which tests prove it.

Run as `python -m tests.house.words`: prints both counts, and what one has and the other has not.
A test proves words by `@pytest.mark.word("train.optimizer.sgd.momentum", ...)`.
"""

import contextlib
import io
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from fttrain.spec.recipe import schema

TESTS = "tests/unit/trainer"
_AGAIN = "train.stages."
"""What stages say are words of `train` and `data` again, in lists and where nothing will do."""
Node = Mapping[str, Any]


def main() -> int:
    """Compare the schema with the tests; return 1 where they differ."""
    words, proven = vocabulary(), marked()
    print(f"words of the recipe: {len(words)}, proven by tests: {len(words & proven.keys())}")
    print(f"tests that prove words: {len(set().union(*proven.values()))}")
    for word in sorted(words - proven.keys()):
        print(f"no test proves `{word}`")
    for word in sorted(proven.keys() - words):
        print(f"`{word}` is no word of the recipe; marked by {sorted(proven[word])[0]}")
    return 0 if words == proven.keys() else 1


def vocabulary() -> set[str]:
    """Return every property name and every tag of a choice, by its path.

    What can be said in several places, such as an optimizer, counts where it is found first.
    """
    root = schema()
    words: set[str] = set()
    seen: set[str] = set()
    ahead: deque[tuple[str, Node]] = deque([("", root)])
    while ahead:
        place, node = ahead.popleft()
        name, shared = node.get("$ref", place), _shared(node)
        if name in seen or (shared and shared in seen and place.startswith(_AGAIN)):
            continue
        seen |= {name, shared}
        for said, child in _said(root, node):
            path = f"{place}.{said}" if place else said
            words.add(path)
            ahead.append((path, child))
    return words


def _shared(node: Node) -> str:
    """Return what a value refers to, alone or in a list, where it refers to one thing."""
    options = [one for one in node.get("anyOf", [node]) if one.get("type") != "null"]
    if len(options) != 1:
        return ""
    inner = options[0].get("items")
    return str(options[0].get("$ref") or (_shared(inner) if isinstance(inner, dict) else ""))


def _said(root: Node, node: Node) -> Iterator[tuple[str, Node]]:
    """Yield what can be said within a node: keys, and bare names of choices."""
    if "$ref" in node:
        node = root["$defs"][node["$ref"].rpartition("/")[2]]
    yield from node.get("properties", {}).items()
    further = (node.get(key) for key in ("items", "additionalProperties"))
    inner = [each for each in further if isinstance(each, dict)]
    for each in (*node.get("oneOf", ()), *node.get("anyOf", ()), *inner):
        yield from _said(root, each)


def paths_of_data() -> set[str]:
    """Return the words of the data that hold paths on the daemon's machine."""
    return {
        word
        for word in vocabulary()
        if word.startswith("data.") and word.rpartition(".")[2] in ("path", "root")
    }


def marked() -> dict[str, set[str]]:
    """Return the words that tests say they prove, with these tests."""
    collector = _Collector()
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", TESTS], [collector])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        sys.exit(told.getvalue())
    return collector.found


class _Collector:
    """Notes the words of the tests that are collected."""

    def __init__(self) -> None:
        self.found: dict[str, set[str]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            for mark in item.iter_markers("word"):
                for word in mark.args:
                    self.found.setdefault(word, set()).add(item.nodeid)


if __name__ == "__main__":
    raise SystemExit(main())
