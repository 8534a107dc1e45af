"""RecipeService of a fake daemon: two recipes, and jobs that are based on one."""

import json
from collections.abc import Mapping
from typing import Any

import grpc

from finetuned.v1 import job_pb2
from finetuned.v1 import recipe_service_pb2 as api
from finetuned.v1.recipe_service_pb2_grpc import RecipeServiceServicer
from ftctl.errors import Fault
from ftctl.nearest import nearest
from ftctl.testing.refusal import invalid_job
from fttrain import yamltext

_TUTORIAL = """\
# tutorial: the whole net, as PyTorch's transfer learning tutorial trains it.
data:
  augment: [{random_resized_crop: {size: 224}}, horizontal_flip]
model:
  name: resnet18
  weights: IMAGENET1K_V1
  head: new
train:
  epochs: 25
  batch_size: 4
  trains: all
  optimizer: {sgd: {lr: 1e-3, momentum: 0.9}}
  schedule: {step: {every: 7, gamma: 0.1}}
"""
RECIPES = {
    name: api.NamedRecipe(name=name, title=title, purpose="Made up.", source="made up", yaml=text)
    for name, title, text in (
        ("tutorial", "all layers train", _TUTORIAL),
        (
            "feature-extractor",
            "the head trains",
            _TUTORIAL.replace("trains: all", "trains: head"),
        ),
    )
}


class Recipes(RecipeServiceServicer):
    """RecipeService, as far as it can be had without the engine: its recipes alone."""

    def GetRecipeSchema(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Have none: it is the engine's."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "a fake daemon has no schema of recipes")

    def PlanRecipe(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Have none: it is the engine's."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "a fake daemon plans jobs alone")

    def ListRecipes(self, request: api.ListRecipesRequest, context: Any) -> api.ListRecipesResponse:
        """List the recipes."""
        return api.ListRecipesResponse(recipes=RECIPES.values())


def resolved(spec: job_pb2.JobSpec) -> tuple[job_pb2.JobSpec, str]:
    """Return a job merged over the recipe that it is based on, and the name of that.

    Raises Refusal where no recipe has the name.
    """
    said = json.loads(spec.recipe_json or "{}")
    if "recipe" not in said:
        return spec, ""
    name = said.pop("recipe")
    if name not in RECIPES:
        near = nearest(str(name), RECIPES)
        hint = f"did you mean `{near}`?" if near else f"there are {', '.join(RECIPES)}"
        told = Fault(field="recipe", description=f"no recipe is named `{name}`; {hint}")
        raise invalid_job([told])
    whole = job_pb2.JobSpec()
    whole.CopyFrom(spec)
    whole.recipe_json = json.dumps(_merged(yamltext.load(RECIPES[name].yaml).value, said))
    return whole, name


def _merged(under: Any, over: Any) -> Any:
    """Merge maps; those of a single key each are choices, and replace one of another kind."""
    if not isinstance(under, Mapping) or not isinstance(over, Mapping):
        return over
    if len(under) == len(over) == 1 and under.keys() != over.keys():
        return over
    kept = {**under, **{key: _merged(under.get(key), value) for key, value in over.items()}}
    return {key: value for key, value in kept.items() if value is not None}
