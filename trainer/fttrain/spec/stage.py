"""What a recipe says of one stage of its training."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from fttrain.spec.augmentation import Augmentation
from fttrain.spec.choice import Strict
from fttrain.spec.optimization import Group, Optimizer
from fttrain.spec.schedules import Schedule, Warmup
from fttrain.spec.values import Count, NonNegative, Selectors

LayerDecay = Annotated[float, Field(gt=0, le=1)]


class Stage(Strict):
    """A part of a training. What it does not state is as under `train`, `augment` as under `data`.

    Learning rate, warm-up and schedule begin anew with it; epochs and steps are counted on.
    """

    epochs: Count = Field(description="How many times the training images are gone through.")
    trains: Selectors | None = Field(
        None, description="Selectors of what trains; the rest is frozen meanwhile."
    )
    groups: list[Group] | None = Field(None, description="Empty: all that trains is one group.")
    layer_decay: LayerDecay | None = Field(
        None, description="Of learning rates, from the head to the stem; 1: all layers alike."
    )
    optimizer: Optimizer | None = None
    schedule: Schedule | None = None
    warmup: Warmup | None = None
    norm_weight_decay: NonNegative | None = Field(
        None, description="Weight decay of normalisation layers, in all groups."
    )
    bias_weight_decay: NonNegative | None = Field(
        None, description="Weight decay of all parameters named `bias`."
    )
    augment: list[Augmentation] | None = Field(
        None, description="Applied to training images, in order. Empty: none."
    )
    optimizer_state: Literal["reset", "keep"] = Field(
        "reset",
        description="What becomes of moments and counts of the stage before. reset: the optimizer "
        "begins anew. keep: it goes on with them for what both stages train; that needs the same "
        "kind of optimizer.",
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_one_selector(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("trains"), str):
            return {**value, "trains": [value["trains"]]}
        return value
