"""What a job file says: the daemon's part checked, the recipe as JSON text."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from ftctl import quantity
from ftctl.errors import Fault
from ftctl.nearest import nearest

DAEMON_KEYS = (
    "name", "resources", "priority", "after", "not_before", "timeout", "retries", "preemptible",
    "min_runtime", "labels",
)  # fmt: skip
RECIPE_KEYS = ("recipe", "data", "model", "train", "outputs")
RESOURCE_KEYS = ("devices", "memory")

# Words of the design whose behaviour this version does not have. They are refused by name, so
# that nobody believes they were heeded.
NOT_BUILT = {
    "sweep", "repeats", "evaluate", "start_limit", "queue", "resources.cpus",
    "resources.exclusive", "resources.kind",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What a user asks for. Limits are the daemon's to check; types are right."""

    name: str = ""
    devices: int | None = None
    memory_bytes: int | None = None
    """Of each device."""
    priority: int = 0
    after: tuple[str, ...] = ()
    not_before: datetime | None = None
    timeout: timedelta | None = None
    retries: int | None = None
    preemptible: bool = False
    min_runtime: timedelta | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    recipe_json: str = "{}"


def faults_of(value: Mapping[str, Any]) -> list[Fault]:
    """Return every fault of the daemon's part of a job."""
    faults = _unknown(value, DAEMON_KEYS + RECIPE_KEYS)
    for key in DAEMON_KEYS:
        faults += _FAULTS_OF[key](value.get(key))
    return faults


def build(value: Mapping[str, Any], *, now: datetime | None = None) -> JobRequest:
    """Return the request of a job: the recipe, and what of the daemon's part has no fault.

    A key without a value counts as not given. A bare time is the next one after `now`, by default
    that of the clock.
    """
    sound = {key: value.get(key) for key in DAEMON_KEYS if not _FAULTS_OF[key](value.get(key))}
    after, resources = sound.get("after") or (), sound.get("resources") or {}
    memory, start = resources.get("memory"), sound.get("not_before")
    timeout, runtime = sound.get("timeout"), sound.get("min_runtime")
    return JobRequest(
        name=sound.get("name") or "",
        devices=resources.get("devices"),
        memory_bytes=None if memory is None else quantity.size(memory),
        priority=sound.get("priority") or 0,
        after=(after,) if isinstance(after, str) else tuple(after),
        not_before=None if start is None else _moment(start, now),
        timeout=None if timeout is None else quantity.span(timeout),
        retries=sound.get("retries"),
        preemptible=sound.get("preemptible") or False,
        min_runtime=None if runtime is None else quantity.span(runtime, least=0),
        labels=sound.get("labels") or {},
        recipe_json=_recipe(value),
    )


def _recipe(value: Mapping[str, Any]) -> str:
    recipe = {key: part for key, part in value.items() if key in RECIPE_KEYS}
    return json.dumps(recipe, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _unknown(value: Mapping[str, Any], known: tuple[str, ...], *, within: str = "") -> list[Fault]:
    return [
        Fault(field=within + key, description=_describe(key, known, within, _home_of(key, value)))
        for key in value
        if key not in known
    ]


def _describe(key: str, known: tuple[str, ...], within: str, home: str) -> str:
    if within + key in NOT_BUILT:
        return f"`{key}` is not built in this version; leave it out"
    near = home or nearest(key, known)
    if near:
        return f"unknown key `{key}`; did you mean `{near}`?"
    return f"unknown key `{key}`; known here: {', '.join(known)}"


def _home_of(key: str, value: Mapping[str, Any]) -> str:
    """Return where such a key belongs, or where in its recipe a job has it already."""
    if key in RESOURCE_KEYS:
        return f"resources.{key}"
    holders = ((name, value.get(name)) for name in RECIPE_KEYS)
    return next(
        (f"{name}.{key}" for name, part in holders if isinstance(part, dict) and key in part), ""
    )


def _resource_faults(value: Any) -> list[Fault]:
    if not isinstance(value, dict):
        return _mistyped("resources", value, dict)
    unknown = _unknown(value, RESOURCE_KEYS, within="resources.")
    count = _mistyped("resources.devices", value.get("devices"), int)
    return unknown + count + _unread("resources.memory", value.get("memory"), quantity.size)


def _after_faults(value: Any) -> list[Fault]:
    if not isinstance(value, list):
        return [] if isinstance(value, str) else _mistyped("after", value, list)
    items = [_mistyped(f"after[{i}]", item, str, needed=True) for i, item in enumerate(value)]
    return [fault for faults in items for fault in faults]


def _label_faults(value: Any) -> list[Fault]:
    if not isinstance(value, dict):
        return _mistyped("labels", value, dict)
    items = [_mistyped(f"labels.{key}", item, str, needed=True) for key, item in value.items()]
    return [fault for faults in items for fault in faults]


def _unread(field: str, value: Any, read: Callable[[Any], object]) -> list[Fault]:
    try:
        if value is not None:
            read(value)
    except ValueError as error:
        return [Fault(field=field, description=str(error))]
    return []


def _moment(value: Any, now: datetime | None = None) -> datetime:
    return quantity.moment(value, now=now or datetime.now(UTC))


_FAULTS_OF: Mapping[str, Callable[[Any], list[Fault]]] = {
    "name": lambda value: _mistyped("name", value, str),
    "resources": _resource_faults,
    "priority": lambda value: _mistyped("priority", value, int),
    "after": _after_faults,
    "not_before": lambda value: _unread("not_before", value, _moment),
    "timeout": lambda value: _unread("timeout", value, quantity.span),
    "retries": lambda value: _mistyped("retries", value, int),
    "preemptible": lambda value: _mistyped("preemptible", value, bool),
    "min_runtime": lambda value: _unread("min_runtime", value, partial(quantity.span, least=0)),
    "labels": _label_faults,
}

_EXPECTED = {
    str: "a text",
    int: "a whole number",
    list: "a list of job names",
    dict: "keys and values",
    bool: "true or false",
}


def _mistyped(field: str, value: Any, kind: type, *, needed: bool = False) -> list[Fault]:
    if value is None and not needed:
        return []
    # To Python a bool is an int.
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        if isinstance(value, int) and value not in _INT32:
            return [Fault(field=field, description=f"{_clipped(str(value))} is out of range")]
        return []
    shown = _clipped(json.dumps(value, ensure_ascii=False))
    quotes = kind is str and not isinstance(value, (list, dict, type(None)))
    remedy = "; put it in quotes" if quotes else ""
    return [Fault(field=field, description=f"must be {_EXPECTED[kind]}, not {shown}{remedy}")]


# What the wire carries; the daemon's own limits are narrower.
_INT32 = range(-(2**31), 2**31)


def _clipped(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
