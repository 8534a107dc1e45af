"""The recipe: what a job trains, on what, and how. The one source of the vocabulary."""

import hashlib
import json
from typing import Any, Literal

from pydantic import Field

from fttrain.spec.choice import Strict
from fttrain.spec.images import Data
from fttrain.spec.network import Model
from fttrain.spec.training import Train

Output = Literal[
    "curves", "confusion", "predictions", "mistakes", "filters", "features", "guided_backprop",
    "augmentations", "tensorboard",
]  # fmt: skip


class Recipe(Strict):
    """A whole recipe."""

    data: Data
    model: Model
    train: Train
    outputs: list[Output] = Field(
        ["curves", "confusion"],
        description="What is left beside the model, each picture with its numbers as JSON. curves: "
        "loss and accuracy over the epochs, linear and log-log. confusion: what is taken for what, "
        "on validation images, and on test images where there are any. predictions: wrong and "
        "right examples. mistakes: the worst ones, by loss, by confidence and by class. filters: "
        "what the first convolution looks for. features: maps of layers for one validation image. "
        "guided_backprop: what speaks for 10 neurons of the last convolution, in the validation "
        "images that excite them most. augmentations: training images as each epoch sees them. "
        "tensorboard: an event file.",
    )


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
