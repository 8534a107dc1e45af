"""BlueprintService: decode, call, encode."""

from functools import partial
from typing import Any

from finetuned.v1 import blueprint_service_pb2 as pb
from finetuned.v1 import blueprint_service_pb2_grpc
from ftd.errors import InvalidRequest
from ftd.jobs.callers import Caller
from ftd.rpc import callers, checks
from ftd.rpc.office import Office


class BlueprintService(blueprint_service_pb2_grpc.BlueprintServiceServicer):
    """Shows what nets are made of."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def DrawBlueprint(
        self, request: pb.DrawBlueprintRequest, context: Any
    ) -> pb.DrawBlueprintResponse:
        """Draw one blueprint."""
        caller = callers.current()
        match request.WhichOneof("of"):
            case "recipe_json":
                drawn = await self._of_recipe(request.recipe_json, caller)
            case "job":
                ref = checks.job_ref(request.job)
                job = await self._office.store.get(ref, only_of=caller.only_of)
                drawn = await self._office.blueprints.of_job(job)
            case _:
                raise InvalidRequest("of: name a recipe or a job")
        return pb.DrawBlueprintResponse(blueprint_json=drawn)

    async def _of_recipe(self, recipe_json: str, caller: Caller) -> str:
        recipe = await self._office.roots.looked(
            partial(
                checks.recipe,
                recipe_json,
                refusal=lambda path: self._office.roots.refusal(path, caller),
            )
        )
        return await self._office.blueprints.of_recipe(recipe, caller=caller)
