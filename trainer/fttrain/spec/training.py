"""What a recipe says of how the net is trained."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from fttrain.spec.choice import Strict
from fttrain.spec.losses import CrossEntropy, Loss
from fttrain.spec.optimization import Group, Optimizer
from fttrain.spec.schedules import Constant, Schedule, Warmup
from fttrain.spec.values import Count, NonNegative, Positive, Selectors


class Train(Strict):
    """How the net is trained."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    epochs: Count
    max_steps: Count | None = Field(None, description="Stop after this many optimizer steps.")
    batch_size: Count = Field(description="Images per batch.")
    accumulate: Count = Field(1, description="Batches per optimizer step.")
    clip_norm: Positive | None = Field(
        None, description="Scale the gradient to this total norm where it is longer."
    )
    clip_value: Positive | None = Field(
        None, description="Limit each number of the gradient to this size, before clip_norm."
    )
    trains: Selectors = Field(["all"], description="Selectors of what trains; the rest is frozen.")
    optimizer: Optimizer
    groups: list[Group] = Field([], description="Empty: all that trains is one group.")
    norm_weight_decay: NonNegative | None = Field(
        None,
        description="Weight decay of normalisation layers, in all groups. Not stated: as others.",
    )
    bias_weight_decay: NonNegative | None = Field(
        None,
        description="Weight decay of all parameters named `bias`, those of normalisation layers, "
        "too. Not stated: as others.",
    )
    schedule: Schedule = Schedule(constant=Constant())
    warmup: Warmup | None = None
    loss: Loss = Loss(cross_entropy=CrossEntropy())
    evaluate_first: bool = Field(False, description="Evaluate before any training, as epoch 0.")

    @model_validator(mode="before")
    @classmethod
    def _accept_one_selector(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("trains"), str):
            return {**value, "trains": [value["trains"]]}
        return value
