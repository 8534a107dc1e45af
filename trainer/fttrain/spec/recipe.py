"""The recipe: what a job trains, on what, and how. The one source of the vocabulary."""

import hashlib
import json
from typing import Any, Literal

from pydantic import Field

from fttrain.spec.choice import Strict
from fttrain.spec.images import Data
from fttrain.spec.network import Model
from fttrain.spec.training import Train


class Recipe(Strict):
    """A whole recipe."""

    data: Data
    model: Model
    train: Train
    outputs: list[Literal["curves"]] = Field(["curves"], description="Pictures to draw at the end.")


def canonical(recipe: Recipe) -> str:
    """Return the recipe as canonical JSON: defaults filled in, keys sorted, no spaces."""
    body = recipe.model_dump(mode="json", exclude_none=True)
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(recipe: Recipe) -> str:
    """Return the SHA-256 of the canonical recipe in hexadecimal."""
    return hashlib.sha256(canonical(recipe).encode()).hexdigest()


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a recipe (draft 2020-12)."""
    return Recipe.model_json_schema()
