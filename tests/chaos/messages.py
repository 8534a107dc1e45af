"""Makes messages of any kind from its descriptor, and spoils their bytes."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.internal import encoder
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_DEEP = 4
_INTEGERS = (0, 0, 1, 1, 2, 3, 8, 50, 1000, 1001, 2**16, -1, -2)
_FLOATS = (0.0, 1.0, -1.0, 0.5, 1e308, -1e308, 5e-324, float("inf"), float("-inf"), float("nan"))
_TEXTS = (
    "", "", "a", "ants", "-", "A B", "a" * 63, "a" * 64, "0", "0123", "ffff", "f" * 32, "../x", "/",
    "a\0b", "\n", "ä", "🙂" * 70, "'; DROP TABLE jobs", "[a-", "%", "*" * 255, "?" * 256, "\u202e",
    "x" * 100_000, "eyJiZWZvcmUiOiAxfQ==", "bnVsbA==", "____", "user/name", "CON", ".", "..",
)  # fmt: skip
_SIZES = (0, 1, 16, 1000, 65_536, 262_144, 262_145)
_LIMITS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}

Hints = Mapping[str, Callable[[], Any]]
"""Name of a field -> makes what has a meaning there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """Makes messages by one source of chance."""

    chance: random.Random
    hints: Hints

    def make(self, kind: Descriptor, *, depth: int = 0) -> Message:
        """Return a message with some of its fields."""
        made = GetMessageClass(kind)()
        share = self.chance.choice((0.3, 0.6, 1.0)) if depth == 0 else 0.4
        for field in kind.fields:
            if self.chance.random() < share and (depth < _DEEP or field.message_type is None):
                self._fill(made, field, depth)
        return made

    def _fill(self, made: Message, field: FieldDescriptor, depth: int) -> None:
        if not field.is_repeated:
            self._set(made, field, depth)
            return
        count = self.chance.choice((0, 1, 1, 2, 3, 9, 70 if depth else 1100))
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        for _ in range(min(count, 70) if is_map or field.message_type else min(count, 1100)):
            if is_map:
                key, value = self._text(), self._text()
                getattr(made, field.name)[key] = value
            elif field.message_type is not None:
                getattr(made, field.name).add().CopyFrom(
                    self.make(field.message_type, depth=depth + 1)
                )
            else:
                getattr(made, field.name).append(self._scalar(field))

    def _set(self, made: Message, field: FieldDescriptor, depth: int) -> None:
        if field.message_type is not None:
            child = self.make(field.message_type, depth=depth + 1)
            getattr(made, field.name).CopyFrom(child)
        else:
            setattr(made, field.name, self._scalar(field))

    def _scalar(self, field: FieldDescriptor) -> Any:
        if field.name in self.hints and self.chance.random() < 0.6:
            return self.hints[field.name]()
        match field.type:
            case FieldDescriptor.TYPE_STRING:
                return self._text()
            case FieldDescriptor.TYPE_BYTES:
                return self.chance.randbytes(self.chance.choice(_SIZES))
            case FieldDescriptor.TYPE_BOOL:
                return self.chance.random() < 0.5
            case FieldDescriptor.TYPE_DOUBLE | FieldDescriptor.TYPE_FLOAT:
                return self.chance.choice(_FLOATS)
            case FieldDescriptor.TYPE_ENUM:
                assert field.enum_type is not None
                known = [value.number for value in field.enum_type.values]
                return self.chance.choice((*known, *known, 99, -1, 2**31 - 1))
        low, high = _LIMITS[field.type]
        near = [each for each in _INTEGERS if low <= each <= high]
        return self.chance.choice((*near, low, high))

    def _text(self) -> str:
        return self.chance.choice(_TEXTS)

    def spoiled(self, data: bytes) -> bytes:
        """Return bytes of a message of which something is wrong."""
        at = self.chance.randrange(len(data) + 1)
        match self.chance.randrange(6):
            case 0:
                return data[:at]
            case 1 if data:
                flipped = bytearray(data)
                flipped[at % len(data)] ^= 1 << self.chance.randrange(8)
                return bytes(flipped)
            case 2:
                return data[:at] + self.chance.randbytes(4) + data[at:]
            case 3:
                return data + data[at:]
            case 4:
                return data + field_bytes(self.chance.randrange(1, 20), b"\xff\xfe\xed\xa0\x80")
        return data + field_bytes(self.chance.choice((99, 2**28)), b"unknown")


def field_bytes(number: int, content: bytes) -> bytes:
    """Return a length-delimited field as it is on the wire, whatever its content."""
    tag: bytes = encoder.TagBytes(number, 2)
    size = bytearray()
    rest = len(content)
    while rest > 127:
        size.append(rest & 127 | 128)
        rest >>= 7
    return tag + bytes([*size, rest]) + content
