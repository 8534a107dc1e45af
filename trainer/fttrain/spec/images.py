"""What a recipe says of its images: where they come from, and how they become input."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from fttrain.spec.augmentation import Augmentation
from fttrain.spec.choice import Strict
from fttrain.spec.sampling import Sampling, Shuffled
from fttrain.spec.values import Count, NonNegative, Positive, Text


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
    sampling: Sampling = Sampling(shuffled=Shuffled())
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
