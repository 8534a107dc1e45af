"""The planner's main: a short-lived process that turns one request into a plan or its faults.

Its directory holds `request.json` (recipe, references, means); it leaves `plan.json` or
`faults.json` there, whole or not at all.
"""

import json
from dataclasses import asdict
from pathlib import Path

from fttrain import plan
from fttrain.spec import faults, rundir
from fttrain.spec.plan import Means

REQUEST = "request.json"
FAULTS = "faults.json"


def main(folder: Path) -> int:
    """Plan one request; return 0 where a plan or faults were written."""
    request = json.loads((folder / REQUEST).read_text())
    try:
        made = plan.memoised(
            faults.parse(request["recipe_json"]),
            references=request["references"],
            means=Means(**request["means"]),
            cache=Path(request["cache"]),
        )
    except faults.RecipeFaults as found:
        body = json.dumps([asdict(fault) for fault in found.faults])
        rundir.write_aside(folder / FAULTS, body.encode())
    else:
        rundir.write_aside(folder / rundir.PLAN, made.model_dump_json().encode())
    return 0
