"""RecipeService: decode, call, encode."""

import asyncio
import json
from functools import partial
from typing import Any

from finetuned.v1 import recipe_service_pb2, recipe_service_pb2_grpc
from ftd.rpc import callers, checks
from ftd.rpc.office import Office
from fttrain.spec import based, named


class RecipeService(recipe_service_pb2_grpc.RecipeServiceServicer):
    """Answers what a recipe may say and how it would be run."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def GetRecipeSchema(
        self, request: recipe_service_pb2.GetRecipeSchemaRequest, context: Any
    ) -> recipe_service_pb2.GetRecipeSchemaResponse:
        """Get the JSON Schema of a recipe."""
        return recipe_service_pb2.GetRecipeSchemaResponse(schema_json=json.dumps(based.schema()))

    async def ListRecipes(
        self, request: recipe_service_pb2.ListRecipesRequest, context: Any
    ) -> recipe_service_pb2.ListRecipesResponse:
        """List the recipes that a job file can be based on."""
        found = await asyncio.to_thread(named.every)  # the first time it reads files
        return recipe_service_pb2.ListRecipesResponse(recipes=map(_named, found))

    async def PlanRecipe(
        self, request: recipe_service_pb2.PlanRecipeRequest, context: Any
    ) -> recipe_service_pb2.PlanRecipeResponse:
        """Plan a recipe without submitting it."""
        caller = callers.current()
        recipe = await self._office.roots.looked(
            partial(
                checks.recipe,
                request.recipe_json,
                refusal=lambda path: self._office.roots.refusal(path, caller),
            )
        )
        plan_json = await self._office.plan(recipe, caller=caller)
        return recipe_service_pb2.PlanRecipeResponse(plan_json=plan_json)


def _named(recipe: named.NamedRecipe) -> recipe_service_pb2.NamedRecipe:
    return recipe_service_pb2.NamedRecipe(
        name=recipe.name,
        title=recipe.title,
        purpose=recipe.purpose,
        source=recipe.source,
        yaml=recipe.yaml,
    )
