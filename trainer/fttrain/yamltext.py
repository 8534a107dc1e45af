"""The one reader of YAML: text to plain values, each with its line and column.

YAML 1.2 core schema: `1e-3` is a number; `no`, `on` and dates are strings. A key given twice, a
tag, a merge key and more than one document are errors. JSON is read by the same rules.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    Event,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

MAX_DEPTH = 64
# Values that aliases may add beyond what is written out: a bomb of ten lines would make billions.
MAX_ALIASED = 10_000

FieldPath = tuple[str | int, ...]
Place = tuple[int, int]
"""Line and column, both from 1."""


class YamlError(Exception):
    """Text that cannot be read, with the place in it, from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.message = message
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubled:
    """A key that is given twice. The latter value counts."""

    path: FieldPath
    place: Place
    """Of the latter."""
    first_line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document: its values, and where each one stands."""

    value: Any
    _root: "_Node"

    def line_of(self, field_path: str) -> Place:
        """Return line and column of a field such as `train.groups[1].select[0]`.

        That of a key is where the key begins. A path that is not there has the place of its
        nearest existing parent.
        """
        return self._find(field_path)[0].place

    def holds(self, field_path: str) -> bool:
        """Return whether the document has this field."""
        return self._find(field_path)[1]

    def doubled(self) -> "Iterator[Doubled]":
        """Yield each key that is given twice, in the order of the text."""
        yield from _doubled(self._root, ())

    def _find(self, field_path: str) -> "tuple[_Node, bool]":
        node = self._root
        for part in split_path(field_path):
            child = node.children.get(part)
            if child is None:
                return node, False
            node = child
        return node, True


def load(text: str, *, strict: bool = True) -> Document:
    """Read a document whose top level is a mapping.

    Args:
        strict: A key given twice is an error. Else the latter counts, and `Document.doubled`
            tells of it, so that its fault can stand beside others.

    Raises:
        YamlError: with a message for the user and the place.
    """
    root = _compose(text)
    if root is None:
        raise YamlError("the file is empty; it must hold keys and values", 1, 1)
    if not isinstance(root.value, dict):
        found = "a list" if isinstance(root.value, list) else f"`{_clipped(str(root.value))}`"
        raise YamlError(f"the top level must be keys and values, not {found}", *root.place)
    if strict:
        _refuse_doubled(root)
    return Document(value=root.plain(), _root=root)


def load_value(text: str) -> Any:
    """Read a value of any kind, such as `1e-3`, `no` or `{sgd: {lr: 0.1}}`. Nothing is None.

    Raises:
        YamlError: with a message for the user and the place.
    """
    root = _compose(text)
    if root is None:
        return None
    _refuse_doubled(root)
    return root.plain()


def split_path(text: str) -> FieldPath:
    """Split a field path: `train.groups[1]` is ("train", "groups", 1).

    Raises:
        ValueError: where the text is not one.
    """
    parts: list[str | int] = []
    position = 0
    for match in _PATH_PART.finditer(text):
        if match.start() != position:
            break
        parts.append(int(match["index"]) if match["index"] else match["name"])
        position = match.end()
    if position != len(text):
        raise ValueError(f"`{text}` is not a field path such as train.groups[1].lr")
    return tuple(parts)


def join_path(parts: FieldPath) -> str:
    """Write a field path, the inverse of `split_path`."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


_PATH_PART = re.compile(r"(?:^|(?<!^)\.)(?P<name>[^.\[\]]+)|\[(?P<index>[0-9]+)\]")


# --- composing ------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Node:
    """A value and its place. Of a list or mapping, `children` holds the values."""

    value: Any
    place: Place
    children: dict[str | int, "_Node"]
    size: int = 1
    """Values herein, this one included, aliases counted in full."""
    first_line: int = 0
    """Where the key of this value is given twice: the line in which it is given first."""

    def plain(self) -> Any:
        """Return a fresh copy of the value."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.children.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.children.values()]
        return self.value


def _doubled(node: _Node, path: FieldPath) -> Iterator[Doubled]:
    for part, child in node.children.items():
        below = (*path, part)
        if child.first_line:
            yield Doubled(path=below, place=child.place, first_line=child.first_line)
        yield from _doubled(child, below)


def _refuse_doubled(root: _Node) -> None:
    for key in _doubled(root, ()):
        name = _clipped(str(key.path[-1]))
        message = f"the key `{name}` is given twice; first in line {key.first_line}"
        raise YamlError(message, *key.place)


def _compose(text: str) -> _Node | None:
    composer = _Composer(_events(text))
    try:
        return composer.document()
    except ReaderError as error:
        message = f"the character U+{error.character:04X} has no place in a text file"
        raise YamlError(message, *_place_of_offset(text, error.position)) from None
    except MarkedYAMLError as error:
        raise _explained(error) from None
    except YAMLError as error:
        raise YamlError(f"cannot be read as YAML: {error}", 1, 1) from None
    except UnicodeError:
        raise YamlError("an escape such as \\ud83d is half a character", 1, 1) from None


def _events(text: str) -> Iterator[Event]:
    if text.lstrip().startswith("{"):
        text = _SURROGATES.sub(_joined, text)
    events: Iterator[Event] = YAML(typ="safe", pure=True).parse(text)
    return events


# JSON writes characters beyond U+FFFF as two escapes, which YAML does not join.
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab]..)\\u(d[c-f]..)", re.IGNORECASE)


def _joined(match: re.Match[str]) -> str:
    pair = bytes.fromhex(match[2] + match[3]).decode("utf-16-be")
    return f"{match[1]}\\U{ord(pair):08x}"


class _Composer:
    """Builds nodes from the parser's events, without recursion into untrusted depth."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._anchors: dict[str, _Node] = {}
        self._aliased = 0

    def document(self) -> _Node | None:
        root: _Node | None = None
        for event in self._events:
            if not isinstance(event, _NODES):
                continue
            if root is not None:
                raise _fault("a second document begins here; a file holds one", event)
            root = self._node(event, depth=1)
        return root

    def _node(self, event: Event, *, depth: int) -> _Node:
        if depth > MAX_DEPTH:
            raise _fault(f"nested deeper than {MAX_DEPTH} levels", event)
        if isinstance(event, AliasEvent):
            return self._alias(event)
        assert isinstance(event, (ScalarEvent, CollectionStartEvent))
        if event.tag and event.tag not in _PLAIN_TAGS:
            raise _fault(f"the tag `{event.tag}` is not supported; leave it out", event)
        node = _Node(value=None, place=_place(event), children={})
        if isinstance(event, ScalarEvent):
            node.value = _scalar(event)
        elif isinstance(event, SequenceStartEvent):
            self._sequence(node, depth)
        else:
            self._mapping(node, depth)
        node.size += sum(child.size for child in node.children.values())
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: AliasEvent) -> _Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            raise _fault(f"nothing before this is named `&{event.anchor}`", event)
        self._aliased += node.size
        if self._aliased > MAX_ALIASED:
            raise _fault(f"aliases stand for more than {MAX_ALIASED:,} values", event)
        return node

    def _sequence(self, node: _Node, depth: int) -> None:
        node.value = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            node.children[len(node.children)] = self._node(event, depth=depth + 1)

    def _mapping(self, node: _Node, depth: int) -> None:
        node.value = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = _key(event)
            before = node.children.get(key)
            value = self._node(next(self._events), depth=depth + 1)
            # The place of a field is its key. The value of an alias may have several keys.
            node.children[key] = _Node(
                value=value.value,
                place=_place(event),
                children=value.children,
                size=value.size,
                first_line=0 if before is None else before.first_line or before.place[0],
            )


_NODES = (ScalarEvent, CollectionStartEvent, AliasEvent)
_PLAIN_TAGS = {"!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:str"}


def _key(event: Event) -> str:
    if not isinstance(event, ScalarEvent):
        raise _fault("a key must be a text", event)
    if event.value == "<<" and event.style is None:
        raise _fault("merge keys (`<<`) are not supported; write the keys out", event)
    key = _scalar(event)
    if not isinstance(key, str):
        raise _fault(f"the key `{_clipped(event.value)}` is not a text; put it in quotes", event)
    return key


def _scalar(event: ScalarEvent) -> Any:
    text: str = event.value
    if _HALF.search(text):
        raise _fault("an escape such as \\ud83d is half a character", event)
    if event.style is not None or event.tag:
        return text
    for pattern, convert in _CORE_SCHEMA:
        if pattern.fullmatch(text):
            value = convert(text)
            if isinstance(value, float) and not math.isfinite(value):
                raise _fault(f"`{_clipped(text)}` is not a finite number", event)
            return value
    return text


_HALF = re.compile("[\ud800-\udfff]")
_CORE_SCHEMA: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"null|Null|NULL|~|"), lambda text: None),
    (re.compile(r"true|True|TRUE"), lambda text: True),
    (re.compile(r"false|False|FALSE"), lambda text: False),
    # Python refuses to read integers of more than 4,300 digits; these stay strings.
    (re.compile(r"[-+]?[0-9]{1,1000}"), int),
    (re.compile(r"0o[0-7]{1,1000}"), lambda text: int(text, 8)),
    (re.compile(r"0x[0-9a-fA-F]{1,1000}"), lambda text: int(text, 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: math.inf),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda text: math.nan),
)


# --- errors ---------------------------------------------------------------------------------


def _fault(message: str, event: Event) -> YamlError:
    return YamlError(message, *_place(event))


def _place(event: Event) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _place_of_offset(text: str, offset: int) -> Place:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def _explained(error: MarkedYAMLError) -> YamlError:
    """Say in plain words what the parser met; where a bracket or quote is open, say where."""
    mark = error.problem_mark or error.context_mark
    problem, context = str(error.problem), str(error.context or "")
    if any(word in context for word in ("flow sequence", "flow mapping", "quoted scalar")):
        opened = error.context_mark
        what = next(text for word, text in _OPEN.items() if word in context)
        if "escape" not in problem:
            message = f"the {what} opened in line {opened.line + 1}, column {opened.column + 1}"
            return YamlError(f"{message} is not closed properly", mark.line + 1, mark.column + 1)
    message = next((text for start, text in _PROBLEMS.items() if problem.startswith(start)), "")
    return YamlError(message or f"is not YAML: {problem}", mark.line + 1, mark.column + 1)


_OPEN = {"flow sequence": "`[`", "flow mapping": "`{`", "quoted scalar": "quote"}
_PROBLEMS = {
    "mapping values are not allowed": "a `:` where no key can be; check the indentation, and put "
    "a text with a colon in quotes",
    "found character '\\t'": "a tab; indent with spaces",
    "found character": "a text cannot begin with this character; put it in quotes",
    "expected <block end>": "does not fit what stands above; check the indentation",
    "could not find expected ':'": "a key without its `:`; check the indentation",
    "found unknown escape": "an unknown escape in double quotes; write `\\\\` for a backslash",
}


def _clipped(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
