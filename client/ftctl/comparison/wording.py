"""Settings as short text."""

from collections.abc import Mapping, Sequence
from typing import Any

ABSENT = object()
"""A setting that a recipe does not have."""
NONE = "–"
# Options that are as good as always so, and tell nothing.
_USUAL = {"betas": [0.9, 0.999], "eps": 1e-8}


def cut(text: str, most: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def whole(value: object) -> str:
    """Return a setting as text: `adamw (weight_decay 0.01)`, `8, 16`, `0.05`."""
    match value:
        case None:
            return NONE
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}"
        case str():
            return value
        case Mapping():
            return _section(value)
        case Sequence():
            parts = any(isinstance(each, Mapping) and not is_choice(each) for each in value)
            return ("; " if parts else ", ").join(map(whole, value)) or "none"
        case _:
            return NONE if value is ABSENT else str(value)


def named(values: Mapping[str, Any]) -> str:
    """Return settings, each behind its name; of a single one, too, which is no choice."""
    return ", ".join(f"{name} {_within(each)}" for name, each in values.items())


def choice(kind: str, options: Mapping[str, Any]) -> str:
    """Return a kind with those of its options that tell something."""
    told = [
        f"{name} {_within(value)}"
        for name, value in options.items()
        if value not in (None, False, 0, "", []) and _USUAL.get(name) != value
    ]
    return f"{kind} ({', '.join(told)})" if told else kind


def is_choice(value: object) -> bool:
    """Return whether a value is a single-key map, such as `{sgd: {lr: 0.1}}`."""
    return (
        isinstance(value, Mapping)
        and len(value) == 1
        and all(isinstance(options, Mapping) for options in value.values())
    )


def _section(value: Mapping[str, Any]) -> str:
    if is_choice(value):
        ((kind, options),) = value.items()
        return choice(kind, options)
    return named(value) or "none"


def _within(value: object) -> str:
    nested = isinstance(value, Mapping | list | tuple) and len(value) > 1
    return f"[{whole(value)}]" if nested else whole(value)
