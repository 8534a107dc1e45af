"""What a recipe says of how the net is trained."""

from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticKnownError

from fttrain.spec.choice import Strict
from fttrain.spec.losses import CrossEntropy, Loss
from fttrain.spec.optimization import Group, Optimizer
from fttrain.spec.schedules import Constant, Schedule, Warmup
from fttrain.spec.stage import LayerDecay, Stage
from fttrain.spec.values import Count, NonNegative, Positive, Selectors, Share


class Ema(Strict):
    """Evaluate and export a running mean of the weights and statistics, as torchvision does.

    mean = decay x mean + (1 - decay) x weights. During the warm-up (with stages: that of the first)
    it is the weights themselves. What a later stage is the first to train joins the mean then.
    """

    decay: Share = Field(0.99998, description="What an update keeps of the mean so far.")
    every: Count = Field(32, description="Optimizer steps from one update to the next.")
    adjust: bool = Field(
        False,
        description="Take 1 - decay times batch_size x accumulate x every / epochs (at most 1): so "
        "the mean reaches equally far back, in shares of the run, whatever these are.",
    )


class EarlyStopping(Strict):
    """End the run where validation does not improve any more. Of several stages the last alone is
    judged, by its own epochs."""

    patience: Count = Field(
        5, description="End after this many evaluations in a row without improvement."
    )
    min_delta: NonNegative = Field(0.0, description="Only what is better by more is improvement.")
    min_epochs: Count = Field(1, description="End no run before this epoch.")
    metric: Literal["accuracy", "loss"] = Field(
        "accuracy", description="Which validation figure has to improve."
    )


class Checkpoint(Strict):
    """When the run is kept, so that it can go on from there; at the best epoch and the last it
    always is. Whichever comes first counts."""

    epochs: Count = Field(1, description="At the end of every so many epochs.")
    steps: Count | None = Field(None, description="Amid an epoch, after every so many steps.")
    minutes: Positive | None = Field(
        5.0, description="Amid an epoch, where the last one was so long ago."
    )
    keep: Annotated[int, Field(ge=2)] = Field(
        2,
        description="How many of the newest stay, beside the best one. Where the last is damaged, "
        "a run goes on from the one before it.",
    )


class _Unstated:
    """Stands for what a recipe does not state, until the stages say what it is."""


_OWN_EPOCHS = (
    "belongs to the stages: say train.stages[i].epochs, with i from 0 to {}; together they are the "
    "epochs of the run"
)
_NO_OPTIMIZER = (
    "is missing: train.stages[{}] states none; state it here for all stages, or in each of them"
)
_NO_CONTINUE = (
    "a run in stages cannot go on from another one; leave out train.stages, or begin with its "
    "weights: model.weights: {}/last"
)
_ANY_OPTIMIZER = Optimizer.model_validate({"sgd": {"lr": 1.0}})
"""Of a recipe whose stages have faults; nobody sees it."""
_NEEDED: dict[str, Any] = {
    "if": {"required": ["stages"]},
    "else": {"required": ["epochs", "optimizer"]},
}


class Train(Strict):
    """How the net is trained."""

    # `continue` is a word of Python's.
    model_config = ConfigDict(serialize_by_alias=True, json_schema_extra=_NEEDED)

    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        0,
        description="All chance comes from it: a new head, the order of the images, their changes. "
        "The same recipe with the same seed repeats itself.",
    )
    repeats: Count = Field(
        1,
        description="Train so many times, with seed, seed + 1, ..., one after the other. The best "
        "model is exported; mean, deviation and interval of the best accuracies are told.",
    )
    stages: Annotated[list[Stage], Field(min_length=1)] = Field(
        [],
        description="Train in stages, one after the other, such as the head alone and then all. "
        "Each states its own epochs, and what is to be another than here. Not stated: one stage, "
        "as it is written here.",
    )
    epochs: Count = Field(
        default_factory=_Unstated,
        validate_default=True,
        description="How many times the training images are gone through. With stages, each "
        "states its own.",
    )
    max_steps: Count | None = Field(
        None, description="Stop after this many optimizer steps of the whole run."
    )
    batch_size: Count = Field(description="Images per batch.")
    accumulate: Count = Field(1, description="Batches per optimizer step.")
    clip_norm: Positive | None = Field(
        None, description="Scale the gradient to this total norm where it is longer."
    )
    clip_value: Positive | None = Field(
        None, description="Limit each number of the gradient to this size, before clip_norm."
    )
    trains: Selectors = Field(["all"], description="Selectors of what trains; the rest is frozen.")
    optimizer: Optimizer = Field(default_factory=_Unstated, validate_default=True)
    groups: list[Group] = Field([], description="Empty: all that trains is one group.")
    layer_decay: LayerDecay | None = Field(
        None,
        description="Multiply learning rates by layer_decay ** depth, for large pretrained nets. "
        "The depth is 0 for the head, 1 for the last block before it (of those that `last:k` "
        "counts), and so on to the stem; each depth is a group of its own.",
    )
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
    precision: Literal["fp32", "bf16", "fp16", "auto"] = Field(
        "fp32",
        description="What convolutions and products of matrices are computed in; weights stay "
        "fp32. fp16 scales the loss. auto: bf16 on a GPU; on a processor bf16 where a trial of "
        "this net there proves it at least 1.1 times as fast, else fp32, which steps of a small "
        "head alone take in any case. The plan says why.",
    )
    layout: Literal["auto", "channels_last", "contiguous"] = Field(
        "auto",
        description="How images and weights of convolutions lie in memory; the last bits of "
        "results depend on it. auto: channels_last, or where precision is auto what a trial of "
        "this net proves faster.",
    )
    bn: Literal["eval", "train", "recalibrate"] = Field(
        "eval",
        description="Statistics of frozen BatchNorm layers. eval: they stay. train: they move with "
        "the batches. recalibrate: those of all BatchNorm layers are taken from the training "
        "images, not augmented, before training and before each evaluation.",
    )
    ema: Ema | None = None
    early_stopping: EarlyStopping | None = None
    evaluate_first: bool = Field(False, description="Evaluate before any training, as epoch 0.")
    evaluate_every: Count = Field(
        1,
        description="Evaluate after every so many epochs, and after the last one of each stage.",
    )
    continue_: Annotated[str, Field(pattern="^job:[^/]+$")] | None = Field(
        None,
        alias="continue",
        description="`job:NAME`, an ended job: its net, mean of weights and optimizer train on "
        "from where they were, and its epochs count among `epochs`. Net, images and batches must "
        "be those of that job.",
    )
    checkpoint: Checkpoint = Checkpoint()
    resume: Literal["inexact", "exact"] = Field(
        "inexact",
        description="What becomes of an interrupted run where torch, the instruction set, the "
        "device or the threads are others than before. inexact: it goes on and is marked so, as "
        "its digits may differ. exact: it fails.",
    )

    out_of_memory: Literal["halve", "never"] = Field(
        "halve",
        description="What becomes of a run whose memory ran out. halve: it goes on from its last "
        "checkpoint with batches computed in twice as many passes; steps see the same images, but "
        "digits may differ and BatchNorm sees smaller batches, so it is marked inexact. never: it "
        "does not.",
    )

    @field_validator("epochs", mode="before")
    @classmethod
    def _sum_of_stages(cls, value: Any, info: ValidationInfo) -> Any:
        # Stages that are faulty are told of themselves, and are not there then.
        stages: list[Stage] | None = info.data.get("stages")
        if not isinstance(value, _Unstated):
            if stages:
                raise ValueError(_OWN_EPOCHS.format(len(stages) - 1))
            return value
        if stages is None:
            return 1
        if not stages:
            raise PydanticKnownError("missing")
        return sum(stage.epochs for stage in stages)

    @field_validator("optimizer", mode="before")
    @classmethod
    def _optimizer_of_stages(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, _Unstated):
            return value
        stages: list[Stage] | None = info.data.get("stages")
        if stages is None:
            return _ANY_OPTIMIZER
        if not stages:
            raise PydanticKnownError("missing")
        without = [place for place, stage in enumerate(stages) if stage.optimizer is None]
        if without:
            raise ValueError(_NO_OPTIMIZER.format(without[0]))
        return stages[0].optimizer

    @model_serializer(mode="wrap")
    def _as_stated(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what the stages say; without stages all is as before there were any."""
        body: dict[str, Any] = handler(self)
        unstated = {"epochs"} if self.stages else {"stages"}
        if self.stages and "optimizer" not in self.model_fields_set:
            unstated.add("optimizer")
        if self.layout == "auto":  # As before it could be said: old texts are known again.
            unstated.add("layout")
        return {key: value for key, value in body.items() if key not in unstated}

    @field_validator("continue_")
    @classmethod
    def _in_no_stages(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("stages"):
            raise ValueError(_NO_CONTINUE.format(value))
        return value

    @field_validator("ema", "early_stopping", mode="before")
    @classmethod
    def _say_what_is_meant(cls, value: Any) -> Any:
        # A key with nothing behind it: nobody knows whether it was meant as on or as off.
        if value is None:
            raise ValueError("has no value; write `{}` for its defaults, or leave it out")
        return value

    @model_validator(mode="before")
    @classmethod
    def _accept_one_selector(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("trains"), str):
            return {**value, "trains": [value["trains"]]}
        return value
