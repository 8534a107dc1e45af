"""What is wrong with a job, as far as can be seen without the engine's schema."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from finetuned.v1 import job_pb2
from ftctl.errors import Fault

RECIPE_KEYS = ("data", "model", "train")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def faults(spec: job_pb2.JobSpec, *, devices: int, memory_bytes: int) -> list[Fault]:
    """Return the faults of a job for a machine of so many devices with so much memory each."""
    return [
        Fault(field=field, description=description)
        for field, description in (
            *_spec(spec),
            *_resources(spec.resources, devices, memory_bytes),
            *_recipe(spec.recipe_json),
        )
    ]


def epochs_of(recipe: Mapping[str, Any]) -> int:
    """Return how many epochs a recipe has, over all its stages."""
    train = recipe["train"]
    stages = train.get("stages") or [train]
    return sum(int(stage.get("epochs", 1)) for stage in stages)


def dataset_of(recipe_json: str) -> str:
    """Return the data set that a recipe names: alone, or with more to say of it."""
    said = json.loads(recipe_json or "{}").get("data")
    named = said.get("dataset") if isinstance(said, dict) else None
    return str(named.get("name", "") if isinstance(named, dict) else named or "")


def _spec(spec: job_pb2.JobSpec) -> Iterator[tuple[str, str]]:
    if spec.name and not _NAME.fullmatch(spec.name):
        text = (
            f"`{spec.name}` is not a name: 1 to 63 of a-z, 0-9 and -, "
            "beginning and ending with a letter or digit"
        )
        yield "name", text
    if not -1000 <= spec.priority <= 1000:
        yield "priority", f"{spec.priority} is out of range; -1000 to 1000"


def _resources(
    asked: job_pb2.Resources, devices: int, memory_bytes: int
) -> Iterator[tuple[str, str]]:
    if asked.HasField("devices") and asked.devices < 1:
        yield "resources.devices", f"{asked.devices} is too few; a job takes at least 1"
    if asked.devices > devices:
        yield "resources.devices", f"asks for {asked.devices} devices; this machine has {devices}"
    if asked.memory_bytes > memory_bytes:
        yield (
            "resources.memory",
            (
                f"asks for {asked.memory_bytes / 2**30:g} GiB of each device; the largest has "
                f"{memory_bytes / 2**30:g} GiB"
            ),
        )


def _recipe(recipe_json: str) -> Iterator[tuple[str, str]]:
    recipe = json.loads(recipe_json or "{}")
    for key in RECIPE_KEYS:
        if not recipe.get(key):
            yield key, "is missing"
        elif not isinstance(recipe[key], dict):
            yield key, "must be keys and values"
    train = recipe.get("train")
    if isinstance(train, dict):
        yield from _counts(train)


def _counts(train: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("epochs", "batch_size"):
        value = train.get(key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            yield f"train.{key}", f"should be a whole number, not {json.dumps(value)}"
        elif value < 1:
            yield f"train.{key}", f"should be greater than or equal to 1, not {value}"
