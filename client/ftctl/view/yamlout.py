"""A job as the file that would submit it again: YAML 1.2, defaults filled in."""

import io
import sys
from typing import Any

from ruamel.yaml import YAML

from ftctl.models import Job
from ftctl.view import jsontext


def job_file(standing: Job) -> str:
    """Return the file of a job: what was asked for, and no more."""
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.allow_unicode = True
    # Paths and messages stay on one line, as they are in JSON.
    writer.width = sys.maxsize
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    out = io.StringIO()
    if standing.base:
        # A comment: as a key it would be merged in again, over what a later version makes of it.
        out.write(f"# Based on the recipe {standing.base}, which is merged in.\n")
    writer.dump(_asked(standing), out)
    return out.getvalue()


def _asked(standing: Job) -> dict[str, Any]:
    told = jsontext.fields(standing)
    resources = {"devices": told["devices"], "memory": told["memory_bytes"]}
    asked = {
        "name": told["name"],
        "resources": {key: value for key, value in resources.items() if value is not None},
        "priority": told["priority"],
        "after": told["after"],
        "not_before": told["not_before"],
        "timeout": told["timeout_seconds"],
        "retries": told["retries"],
        "preemptible": told["preemptible"] or None,
        "min_runtime": told["min_runtime_seconds"],
        "labels": told["labels"],
    }
    said = {key: value for key, value in asked.items() if value not in (None, [], {})}
    return {**said, **told["recipe"]}
