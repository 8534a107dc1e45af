"""What the daemon says of recipes in general."""

import json
from typing import Any

from finetuned.v1 import recipe_service_pb2 as pb
from finetuned.v1.recipe_service_pb2_grpc import RecipeServiceStub
from ftctl._async.client import AsyncClient


async def schema(client: AsyncClient) -> dict[str, Any]:
    """Return the JSON Schema of a recipe."""
    connection = client._connection
    stub = RecipeServiceStub(connection.line().channel)
    response = await connection.ask(stub.GetRecipeSchema, pb.GetRecipeSchemaRequest())
    told: dict[str, Any] = json.loads(response.schema_json)
    return told
