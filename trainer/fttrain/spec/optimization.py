"""What a recipe says of losses, optimizers and learning rates."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from fttrain.spec.choice import OneOf, Strict
from fttrain.spec.values import Betas, Count, NonNegative, Positive, Selectors, Share


class Sgd(Strict):
    """torch.optim.SGD."""

    lr: Positive
    momentum: Share = 0.0
    nesterov: bool = False
    weight_decay: NonNegative = 0.0

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class AdamW(Strict):
    """torch.optim.AdamW."""

    lr: Positive
    betas: Betas = (0.9, 0.999)
    eps: Positive = 1e-8
    weight_decay: NonNegative = 0.01


class Optimizer(OneOf):
    """What turns gradients into steps."""

    sgd: Sgd | None = None
    adamw: AdamW | None = None


class Constant(Strict):
    """The learning rate stays."""


class Step(Strict):
    """Multiplies the learning rate by gamma every n epochs."""

    every: Count = Field(description="In epochs.")
    gamma: Positive = 0.1


class Cosine(Strict):
    """Half a cosine from the learning rate down to eta_min."""

    t_max: Count | None = Field(
        None,
        description="Length of the half wave in epochs (in steps where by: step). "
        "Not stated: what the warm-up leaves of the run.",
    )
    eta_min: NonNegative = 0.0
    by: Literal["epoch", "step"] = "epoch"


class Schedule(OneOf):
    """How the learning rate moves over the run."""

    constant: Constant | None = None
    step: Step | None = None
    cosine: Cosine | None = None


class Warmup(Strict):
    """Raises the learning rate linearly from `start` times itself, before the schedule begins."""

    epochs: Count | None = None
    steps: Count | None = None
    start: Annotated[float, Field(gt=0, le=1)] = Field(
        0.01, description="Factor of the first epoch or step."
    )

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("say how long, exactly one of: epochs, steps")
        return self


class CrossEntropy(Strict):
    """torch.nn.functional.cross_entropy."""

    label_smoothing: Share = 0.0


class Loss(OneOf):
    """What is minimised."""

    cross_entropy: CrossEntropy | None = None


class Group(Strict):
    """Parameters with a learning rate or decay of their own."""

    select: Selectors = Field(description="Which of the trained parameters.")
    lr: Positive | None = Field(None, description="Not stated: the optimizer's.")
    weight_decay: NonNegative | None = Field(None, description="Not stated: the optimizer's.")

    @model_validator(mode="before")
    @classmethod
    def _accept_one_selector(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("select"), str):
            return {**value, "select": [value["select"]]}
        return value
