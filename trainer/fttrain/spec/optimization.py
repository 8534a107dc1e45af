"""What a recipe says of optimizers, learning rates and groups of parameters."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from fttrain.spec.choice import FLAT, OneOf, Strict, shape
from fttrain.spec.values import Betas, Count, NonNegative, Positive, Selectors, Share


class ScaledRate(Strict):
    """A learning rate that follows the images per step, n = batch_size * accumulate: base times
    f(n / at_batch), where f is 1 (none), the ratio itself (linear) or its square root (sqrt)."""

    base: Positive = Field(description="The learning rate at `at_batch` images per step.")
    at_batch: Count = Field(description="Images per step that `base` was found at.")
    scale: Literal["none", "linear", "sqrt"] = Field(
        "linear", description="How it follows the images per step."
    )


_DECAY: Any = Field(0.0, description="Pulls the weights towards 0, by so much of themselves.")
_MEANS: Any = Field(
    (0.9, 0.999), description="What the means of gradients and of their squares keep at each step."
)
_EPS: Any = Field(1e-8, description="Added to what is divided by, so that it is never 0.")
_AMSGRAD: Any = Field(False, description="Divide by the greatest mean of squares so far.")
_MOMENTUM: Any = Field(0.0, description="What each step keeps of the one before; 0.9 is usual.")
LearningRate = Annotated[
    Annotated[Positive, Tag("<number>")] | Annotated[ScaledRate, Tag("<map>")],
    Discriminator(
        shape,
        custom_error_type="learning_rate",
        custom_error_message="Input should be a number above 0, or a map of base and at_batch",
    ),
    FLAT,
    Field(description="The learning rate: a number, or a map that follows the images per step."),
]


class Sgd(Strict):
    """torch.optim.SGD."""

    lr: LearningRate
    momentum: Share = _MOMENTUM
    dampening: Share = Field(0.0, description="Share of the gradient kept out of the momentum.")
    nesterov: bool = Field(False, description="Look ahead by the momentum (Nesterov).")
    weight_decay: NonNegative = _DECAY

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        if self.nesterov and self.dampening != 0:
            raise ValueError("nesterov needs a dampening of 0")
        return self


class Adam(Strict):
    """torch.optim.Adam: decay is added to the gradient; adamw has it apart."""

    lr: LearningRate
    betas: Betas = _MEANS
    eps: Positive = _EPS
    weight_decay: NonNegative = _DECAY
    amsgrad: bool = _AMSGRAD


class AdamW(Strict):
    """torch.optim.AdamW."""

    lr: LearningRate
    betas: Betas = _MEANS
    eps: Positive = _EPS
    weight_decay: NonNegative = Field(
        0.01, description="Pulls the weights towards 0, by so much of themselves times the rate."
    )
    amsgrad: bool = _AMSGRAD


class NAdam(Strict):
    """torch.optim.NAdam."""

    lr: LearningRate
    betas: Betas = _MEANS
    eps: Positive = _EPS
    weight_decay: NonNegative = _DECAY
    momentum_decay: NonNegative = Field(
        4e-3, description="How slowly beta1 rises to its value: less is slower."
    )
    decoupled_weight_decay: bool = Field(False, description="Decay as AdamW does.")


class RAdam(Strict):
    """torch.optim.RAdam."""

    lr: LearningRate
    betas: Betas = _MEANS
    eps: Positive = _EPS
    weight_decay: NonNegative = _DECAY
    decoupled_weight_decay: bool = Field(False, description="Decay as AdamW does.")


class RmsProp(Strict):
    """torch.optim.RMSprop."""

    lr: LearningRate
    alpha: Share = Field(0.99, description="What the mean of squared gradients keeps at each step.")
    eps: Positive = _EPS
    weight_decay: NonNegative = _DECAY
    momentum: Share = _MOMENTUM
    centered: bool = Field(False, description="Divide by the deviation, not the mean square.")


class PlainOptimizer(OneOf):
    """What turns one gradient into a step."""

    sgd: Sgd | None = None
    adam: Adam | None = None
    adamw: AdamW | None = None
    nadam: NAdam | None = None
    radam: RAdam | None = None
    rmsprop: RmsProp | None = None


class Sam(Strict):
    """Sharpness-aware minimisation: the gradient is taken where, within a distance of rho, the loss
    rises most. Two passes per step; BatchNorm takes statistics in the first alone."""

    base: PlainOptimizer = Field(description="What makes the step of that gradient.")
    rho: Positive = Field(0.05, description="The distance.")
    adaptive: bool = Field(False, description="Measure distance relative to each weight (ASAM).")


class Optimizer(PlainOptimizer):
    """What turns gradients into steps."""

    sam: Sam | None = None

    @property
    def plain(self) -> PlainOptimizer:
        """What makes the step, without what may stand before it."""
        return self.sam.base if self.sam is not None else self


class Group(Strict):
    """Parameters with a learning rate or decay of their own."""

    select: Selectors = Field(
        description="Which of the trained parameters; `rest`: those that no other group selects."
    )
    lr: LearningRate | None = Field(None, description="Not stated: the optimizer's.")
    lr_factor: Positive | None = Field(
        None, description="So many times the optimizer's learning rate, in the place of `lr`."
    )
    weight_decay: NonNegative | None = Field(None, description="Not stated: the optimizer's.")

    @model_validator(mode="before")
    @classmethod
    def _accept_one_selector(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("select"), str):
            return {**value, "select": [value["select"]]}
        return value

    @model_validator(mode="after")
    def _one_rate(self) -> Self:
        if self.lr is not None and self.lr_factor is not None:
            raise ValueError(
                "say lr or lr_factor, not both: the rate, or so many times the optimizer's"
            )
        return self
