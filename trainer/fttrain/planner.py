"""The planner's main: a short-lived process that turns one request into a plan or its faults.

Its directory holds `request.json` (recipe, references, means); it leaves `plan.json` or
`faults.json` there, whole or not at all. Where the request wants the blueprint of the net instead,
it leaves `blueprint.json`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from fttrain import blueprint, plan
from fttrain.spec import faults, rundir
from fttrain.spec.plan import Card, Means

REQUEST = "request.json"
BLUEPRINT = "blueprint.json"
FAULTS = "faults.json"


def main(folder: Path) -> int:
    """Answer one request; return 0 where an answer or faults were written."""
    request = json.loads((folder / REQUEST).read_text())
    name, make = _MAKERS[request.get("wanted", "plan")]
    try:
        made = make(
            faults.parse(request["recipe_json"]),
            references=request["references"],
            means=Means(**request["means"]),
            cache=Path(request["cache"]),
        )
    except faults.RecipeFaults as found:
        body = json.dumps([asdict(fault) for fault in found.faults])
        rundir.write_aside(folder / FAULTS, body.encode())
    else:
        rundir.write_aside(folder / name, made.model_dump_json().encode())
    return 0


_MAKERS: Mapping[str, tuple[str, Callable[..., Card]]] = {
    "plan": (rundir.PLAN, plan.memoised),
    "blueprint": (BLUEPRINT, blueprint.memoised),
}
