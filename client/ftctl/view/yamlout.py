"""A job as YAML 1.2: the names and values of its JSON, easier to read."""

import io
import sys

from ruamel.yaml import YAML

from ftctl.models import Job
from ftctl.view import jsontext


def job(standing: Job) -> str:
    """Return a whole job."""
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.allow_unicode = True
    # Paths and messages stay on one line, as they are in JSON.
    writer.width = sys.maxsize
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    out = io.StringIO()
    writer.dump(jsontext.fields(standing), out)
    return out.getvalue()
