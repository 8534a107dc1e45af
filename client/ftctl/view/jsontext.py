"""Jobs and devices as JSON: stable names in snake_case, times in UTC."""

import dataclasses
import json
import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from ftctl.datasets import Dataset
from ftctl.devices import Device
from ftctl.evaluations import EvaluationReport
from ftctl.models import Event, Job
from ftctl.recipes import NamedRecipe
from ftctl.similarities import Similarity


def job(standing: Job) -> str:
    """Return a whole job."""
    return json.dumps(fields(standing), indent=2, ensure_ascii=False)


def jobs(standings: Sequence[Job]) -> str:
    """Return jobs as an array, as the daemon lists them: without what is long."""
    return json.dumps([fields(item) for item in standings], indent=2, ensure_ascii=False)


def dataset(found: Dataset) -> str:
    """Return a data set."""
    return json.dumps(_plain(dataclasses.asdict(found)), indent=2, ensure_ascii=False)


def datasets(found: Sequence[Dataset]) -> str:
    """Return data sets as an array, without what only one of them tells."""
    plain = [_plain(dataclasses.asdict(item)) for item in found]
    for item in plain:
        del item["folders"], item["used_by"]
    return json.dumps(plain, indent=2, ensure_ascii=False)


def recipe(known: NamedRecipe) -> str:
    """Return a named recipe: its text, and its keys as they are read."""
    return json.dumps(_recipe(known), indent=2, ensure_ascii=False)


def recipes(known: Sequence[NamedRecipe]) -> str:
    """Return named recipes as an array."""
    return json.dumps([_recipe(each) for each in known], indent=2, ensure_ascii=False)


def _recipe(known: NamedRecipe) -> dict[str, Any]:
    return {**dataclasses.asdict(known), "recipe": known.recipe}


def devices(standings: Sequence[Device]) -> str:
    """Return devices as an array."""
    plain = [_plain(dataclasses.asdict(item)) for item in standings]
    return json.dumps(plain, indent=2, ensure_ascii=False)


def snapshot(devices: Sequence[Device], jobs: Sequence[Job]) -> str:
    """Return a machine: its devices, and jobs."""
    told = {
        "devices": [_plain(dataclasses.asdict(item)) for item in devices],
        "jobs": [fields(item) for item in jobs],
    }
    return json.dumps(told, indent=2, ensure_ascii=False)


def event(happened: Event) -> str:
    """Return an event on one line; `event` says which kind, such as `epoch_ended`."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(happened).__name__).lower()
    told = {"event": kind, **_plain(dataclasses.asdict(happened))}
    return json.dumps(told, ensure_ascii=False)


def fields(standing: Job) -> dict[str, Any]:
    """Return what is told of a job, as plain data."""
    told: dict[str, Any] = _plain(dataclasses.asdict(standing))
    if told["outcome"]:
        # Where a fault stands in a file is not the job's to know.
        for fault in told["outcome"]["faults"]:
            del fault["place"]
    return told


def evaluation(job_name: str, report: EvaluationReport) -> str:
    """Return what a job's net makes of images."""
    told: dict[str, Any] = _plain(dataclasses.asdict(report))
    for name in ("verdicts", "confusion"):  # files have their own places
        del told[name]
    for each, one in zip(told["evaluation"]["classes"], report.classes, strict=True):
        each |= {"recall": one.recall, "precision": one.precision}
    return json.dumps({"job": job_name, **told}, indent=2, ensure_ascii=False)


def similarity(found: Similarity) -> str:
    """Return how alike two nets are; the picture has a place of its own."""
    told: dict[str, Any] = _plain(dataclasses.asdict(found))
    del told["png"]
    return json.dumps(told, indent=2, ensure_ascii=False)


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case StrEnum():
            return value.value
        case datetime():
            return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case _:
            return value
