"""BlueprintService of a fake daemon: every net is a convolution and a head."""

import json
from collections.abc import Mapping
from typing import Any

from finetuned.v1 import blueprint_service_pb2 as api
from finetuned.v1 import job_pb2
from finetuned.v1.blueprint_service_pb2_grpc import BlueprintServiceServicer
from ftctl.testing.ledger import Ledger
from ftctl.testing.recipes import resolved
from ftctl.testing.refusal import Refusal

CHANNELS, CLASSES, SIDE = 8, 2, 32
CONVOLUTION = 3 * 3 * 3 * CHANNELS
HEAD = CHANNELS * CLASSES


class Blueprints(BlueprintServiceServicer):
    """BlueprintService."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def DrawBlueprint(
        self, request: api.DrawBlueprintRequest, context: Any
    ) -> api.DrawBlueprintResponse:
        """Draw nothing much."""
        with self._ledger.news:
            match request.WhichOneof("of"):
                case "recipe_json":
                    spec, _ = resolved(job_pb2.JobSpec(recipe_json=request.recipe_json))
                    self._ledger.check(spec)
                case "job":
                    spec = self._ledger.find(request.job).job.spec
                case _:
                    raise Refusal("INVALID_ARGUMENT", "of: name a recipe or a job")
        drawn = blueprint(json.loads(spec.recipe_json)["model"])
        return api.DrawBlueprintResponse(blueprint_json=json.dumps(drawn))


def blueprint(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the blueprint of a small net under the name of another one."""
    name = str(model.get("name") or next(iter(model), "net"))
    convolution = _node("conv", "Conv2d", CONVOLUTION, CONVOLUTION * SIDE * SIDE)
    convolution |= {"output": [CHANNELS, SIDE, SIDE], "detail": f"3×3, 3 → {CHANNELS}"}
    head = _node("head", "Linear", HEAD + CLASSES, HEAD)
    head |= {"output": [CLASSES], "detail": f"{CHANNELS} → {CLASSES}"}
    parts = (convolution, head)
    sums = {key: sum(part[key] for part in parts) for key in ("parameters", "trained", "macs")}
    root = {**_node(name, "Net", 0, 0), **sums, "output": [CLASSES], "children": [*parts]}
    group = {"name": "all", "parameters": sums["parameters"], "lr": 0.1, "weight_decay": 0.0}
    return {
        "net": name, "input": [3, SIDE, SIDE], "classes": CLASSES, **sums, "groups": [group],
        "notes": [], "root": root,
    }  # fmt: skip


def _node(name: str, kind: str, parameters: int, macs: int) -> dict[str, Any]:
    return {
        "name": name, "kind": kind, "detail": "", "output": None, "parameters": parameters,
        "trained": parameters, "macs": macs, "groups": [0], "children": [],
    }  # fmt: skip
