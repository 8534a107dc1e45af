"""What a recipe says of how the learning rate moves."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fttrain.spec.choice import OneOf, Strict
from fttrain.spec.values import Count, NonNegative, Positive, Share

By = Annotated[
    Literal["epoch", "step"], Field(description="What lengths count and when the rate moves.")
]


class Constant(Strict):
    """The learning rate stays."""


class Step(Strict):
    """Multiplies the learning rate by gamma every n epochs or steps."""

    every: Count = Field(description="In epochs (in steps where by: step).")
    gamma: Positive = Field(0.1, description="The factor.")
    by: By = "epoch"


class MultiStep(Strict):
    """Multiplies the learning rate by gamma at each milestone."""

    milestones: Annotated[list[Count], Field(min_length=1)] = Field(
        description="In epochs (in steps where by: step) after the warm-up, rising."
    )
    gamma: Positive = Field(0.1, description="The factor.")
    by: By = "epoch"

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(a >= b for a, b in zip(self.milestones, self.milestones[1:], strict=False)):
            raise ValueError("milestones must rise, each stated once")
        return self


class Exponential(Strict):
    """Multiplies the learning rate by gamma every epoch or step."""

    gamma: Positive = Field(description="The factor.")
    by: By = "epoch"


class Polynomial(Strict):
    """Lowers the learning rate to 0: lr * (1 - t / total_iters) ** power."""

    total_iters: Count | None = Field(
        None,
        description="When 0 is reached, in epochs (in steps where by: step). "
        "Not stated: what the warm-up leaves of the run.",
    )
    power: NonNegative = Field(1.0, description="1: a straight line; more falls faster at first.")
    by: By = "epoch"


class Cosine(Strict):
    """Half a cosine from the learning rate down to eta_min."""

    t_max: Count | None = Field(
        None,
        description="Length of the half wave in epochs (in steps where by: step). "
        "Not stated: what the warm-up leaves of the run.",
    )
    eta_min: NonNegative = Field(0.0, description="The learning rate at the end of a half wave.")
    by: By = "epoch"


class WarmRestarts(Strict):
    """Half a cosine down to eta_min, again and again from the full learning rate."""

    t_0: Count = Field(description="Length of the first half wave in epochs (steps).")
    t_mult: Count = Field(1, description="How much longer each half wave is than the one before.")
    eta_min: NonNegative = Field(0.0, description="The learning rate at the end of a half wave.")
    by: By = "epoch"


class OneCycle(Strict):
    """Up to the highest learning rate and down to almost nothing, once over the run, by steps; the
    momentum moves against it. As torch's OneCycleLR."""

    max_factor: Positive = Field(
        1.0, description="The highest learning rate, in learning rates of the optimizer."
    )
    pct_start: Annotated[float, Field(ge=0, le=1)] = Field(
        0.3, description="Share of the run that goes up."
    )
    div_factor: Positive = Field(25.0, description="The highest rate over the first one.")
    final_div_factor: Positive = Field(1e4, description="The first rate over the last one.")
    anneal: Literal["cos", "linear"] = Field("cos", description="The shape of both ways.")
    three_phase: bool = Field(
        False, description="Come down to the first rate as slowly as it rose, then to the last."
    )
    cycle_momentum: bool = Field(
        True,
        description="Move the momentum (beta1 of the Adams), too; the optimizer's own is not used.",
    )
    base_momentum: Share = Field(0.85, description="The momentum at the highest rate.")
    max_momentum: Share = Field(0.95, description="The momentum at the lowest rates.")
    by: By = "step"

    @model_validator(mode="after")
    def _falls_in_time(self) -> Self:
        if self.three_phase and self.pct_start > 0.5:
            raise ValueError("pct_start above 0.5 leaves no time to come down in three phases")
        return self


class Schedule(OneOf):
    """How the learning rate moves over the run."""

    constant: Constant | None = None
    step: Step | None = None
    multi_step: MultiStep | None = None
    exponential: Exponential | None = None
    polynomial: Polynomial | None = None
    cosine: Cosine | None = None
    warm_restarts: WarmRestarts | None = None
    one_cycle: OneCycle | None = None


class Warmup(Strict):
    """Raises the learning rate linearly from `start` times itself, before the schedule begins."""

    epochs: Count | None = Field(None, description="How long, in epochs; or say it in steps.")
    steps: Count | None = Field(None, description="How long, in steps.")
    start: Annotated[float, Field(gt=0, le=1)] = Field(
        0.01, description="Factor of the first epoch or step."
    )

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("say how long, exactly one of: epochs, steps")
        return self
