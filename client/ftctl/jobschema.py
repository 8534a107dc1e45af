"""The JSON Schema of a whole job file: the daemon's part, and around it that of the recipe."""

from collections.abc import Mapping
from typing import Any

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXTS = {"type": "array", "items": {"type": "string"}}

DAEMON_PART: Mapping[str, Mapping[str, Any]] = {
    "name": {
        "type": "string",
        "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        "description": "Unique among jobs that have not ended. Default: the start of the id.",
    },
    "resources": {
        "type": "object",
        "additionalProperties": False,
        "description": "What the job needs.",
        "properties": {
            "devices": {
                "type": "integer",
                "minimum": 1,
                "default": 1,
                "description": "How many devices the job needs.",
            },
            "memory": {
                "type": ["string", "integer"],
                "examples": ["512MiB", "11GiB", "16GB"],
                "description": "Memory that it needs of each device; jobs that say theirs share "
                "devices. Default: a device for itself.",
            },
        },
    },
    "priority": {
        "type": "integer",
        "minimum": -1000,
        "maximum": 1000,
        "default": 0,
        "description": "Higher starts first, equal ones in order of submission.",
    },
    "after": {
        "anyOf": [{"type": "string"}, _TEXTS],
        "description": "Names or ids of jobs that must have succeeded first.",
    },
    "not_before": {
        "type": "string",
        "examples": ["2026-11-22T08:00:00+01:00", "22:00"],
        "description": "Starts no sooner; a bare time is the next such moment.",
    },
    "timeout": {
        "type": ["string", "number"],
        "examples": ["2h30m", "90s", 3600],
        "description": "Ends the job as failed once its workers have run for so long in all.",
    },
    "retries": {
        "type": "integer",
        "minimum": 0,
        "maximum": 100,
        "default": 3,
        "description": "Starts again after so many failures that another start can mend (killed, "
        "crashed, stalled, out of memory), from its last checkpoint.",
    },
    "preemptible": {
        "type": "boolean",
        "default": False,
        "description": "A waiting job of higher priority may take its devices; it goes on later.",
    },
    "min_runtime": {
        "type": ["string", "number"],
        "examples": ["60s", "10m"],
        "default": "60s",
        "description": "For so long a preemptible job keeps its devices at least.",
    },
    "labels": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "description": "Yours to use.",
    },
}


def whole(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a job file, given that of its recipe."""
    return {
        "$schema": _DIALECT,
        **recipe,
        "title": "Job",
        "description": "A job file of finetuned.",
        "properties": {**DAEMON_PART, **recipe.get("properties", {})},
    }
