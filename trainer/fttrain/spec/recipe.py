"""The recipe: what a job trains, on what, and how. The one source of the vocabulary."""

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from fttrain.spec.choice import OneOf, Strict

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
# JSON has no tuples: behind a choice, pydantic sees a list and must be allowed to take it.
Range = Annotated[tuple[Positive, Positive], Field(strict=False)]
Betas = Annotated[tuple[Share, Share], Field(strict=False)]
Text = Annotated[str, Field(min_length=1)]
Selectors = Annotated[list[Text], Field(min_length=1)]


# --- data -----------------------------------------------------------------------------------


class Folder(Strict):
    """Images in one folder per class: `path/train/CLASS/*.jpg` and `path/val/CLASS/*.jpg`."""

    path: Text = Field(
        description="The root, on the daemon's machine. `ftctl` makes a relative path absolute: "
        "it begins at the job file."
    )
    train: Text = Field("train", description="Subfolder with the training classes.")
    val: Text = Field("val", description="Subfolder with the validation classes.")


class Dataset(Strict):
    """A data set that was pushed to the daemon (`ftctl dataset push NAME DIR`), as it stands when
    the job is submitted; its name alone will do."""

    name: Text = Field(description="Its name; USER/NAME for an admin who means another user's.")
    train: Text = Field("train", description="Folder within it with the training classes.")
    val: Text = Field("val", description="Folder within it with the validation classes.")

    @model_validator(mode="before")
    @classmethod
    def _accept_a_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("train", "val")
    @classmethod
    def _lie_within(cls, value: str) -> str:
        if value.startswith("/") or ".." in value.split("/") or "\0" in value:
            raise ValueError(f"`{value}` leads out of the data set; say a folder within it")
        return value


class Digits(Strict):
    """scikit-learn's 1,797 handwritten digits, 8 x 8 pixels, one channel (extra `demo`)."""

    val_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3, description="Share of each class that is validated on."
    )
    split_seed: Annotated[int, Field(ge=0)] = Field(0, description="Seed of the stratified split.")
    noise: NonNegative = Field(
        0.0,
        description="Standard deviation of Gaussian noise added once to every image, "
        "as a share of the full range of grey.",
    )
    labels_per_class: Count | None = Field(
        None, description="Keep this many training images of each class, drawn by split_seed."
    )


class HorizontalFlip(Strict):
    """Mirrors left and right."""

    p: Annotated[float, Field(ge=0, le=1)] = Field(0.5, description="Probability.")


class RandomResizedCrop(Strict):
    """Crops a random area of random aspect and resizes it; takes the place of resize and crop."""

    size: Count = Field(description="Side of the result in pixels.")
    scale: Range = Field((0.08, 1.0), description="Least and greatest share of the image's area.")
    ratio: Range = Field((3 / 4, 4 / 3), description="Least and greatest width over height.")


class Augmentation(OneOf):
    """One random change of a training image, a pure function of (seed, epoch, image)."""

    horizontal_flip: HorizontalFlip | None = None
    random_resized_crop: RandomResizedCrop | None = None


class Preprocess(Strict):
    """How an image becomes the net's input. Comes with the weights where it is not stated."""

    resize: Count | None = Field(None, description="Shorter side after resizing, in pixels.")
    crop: Count | None = Field(None, description="Side of the centre crop, in pixels.")
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    mean: Annotated[list[float], Field(min_length=1, max_length=3)] = Field(
        description="Per channel, of values 0 to 1."
    )
    std: Annotated[list[Positive], Field(min_length=1, max_length=3)] = Field(
        description="Per channel, of values 0 to 1."
    )


def _or_a_name(schema: dict[str, Any]) -> None:
    """Tell editors that a bare name will do."""
    schema["anyOf"].insert(0, {"type": "string"})


class Data(Strict):
    """Where the images come from and what happens to them."""

    folder: Folder | None = None
    dataset: Dataset | None = Field(None, json_schema_extra=_or_a_name)
    digits: Digits | None = None
    augment: list[Augmentation] = Field([], description="Applied to training images, in order.")
    preprocess: Preprocess | None = Field(
        None, description="Stated where the weights do not bring it."
    )
    workers: Annotated[int, Field(ge=0, le=64)] | None = Field(
        None,
        description="Loader processes; the plan decides where it is not stated. "
        "The result does not depend on it.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [self.folder, self.dataset, self.digits]
        if given.count(None) != len(given) - 1:
            raise ValueError(
                "say where the images come from, exactly one of: folder, dataset, digits"
            )
        return self


# --- model ----------------------------------------------------------------------------------


class Cnn(Strict):
    """A small convolutional net: per entry of `channels` a block of 3x3 convolution, BatchNorm,
    ReLU and (where `pool` says so) 2x2 max pooling; then global average pooling and the head."""

    channels: Annotated[list[Count], Field(min_length=1, max_length=16)] = [16, 32, 64]
    pool: Annotated[int, Field(ge=0)] = Field(2, description="Pool after the first n blocks.")
    dropout: Share = Field(0.0, description="Before the head.")


class Model(Strict):
    """The net and the weights it starts from."""

    name: Text | None = Field(None, description="A classifier of torchvision, by its name there.")
    cnn: Cnn | None = None
    weights: Text = Field(
        "none",
        description="`none`; a torchvision enum member (IMAGENET1K_V1); `file:PATH`; "
        "`job:NAME/best` or `job:NAME/last`.",
    )
    head: Literal["auto", "new", "keep"] = Field(
        "auto", description="auto keeps the head where the classes are those of the weights."
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_a_bare_net(cls, value: Any) -> Any:
        if isinstance(value, dict) and "cnn" in value and value["cnn"] is None:
            return {**value, "cnn": {}}
        return value

    @model_validator(mode="after")
    def _one_net(self) -> Self:
        if (self.name is None) == (self.cnn is None):
            raise ValueError("say which net, exactly one of: name, cnn")
        return self


# --- train ----------------------------------------------------------------------------------


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
    trains: Selectors = Field(["all"], description="Selectors of what trains; the rest is frozen.")
    optimizer: Optimizer
    groups: list[Group] = Field([], description="Empty: all that trains is one group.")
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


# --- the whole ------------------------------------------------------------------------------


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
