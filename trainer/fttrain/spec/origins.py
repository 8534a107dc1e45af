"""What a recipe says of where its images come from."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from fttrain.spec.choice import Strict
from fttrain.spec.values import Count, NonNegative, Share, Side, Text

Part = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Made = Annotated[int, Field(ge=1, le=2_000_000)]
"""Of made images: more than ImageNet has; a plan of so many takes half a gigabyte."""
_ROOT = (
    "on the daemon's machine. `ftctl` makes a relative path absolute: it begins at the job file."
)


class Split(Strict):
    """How one set of images is parted, each class by the same shares. Who goes where depends on
    the seed and the image's path alone; artifacts/split.csv says it."""

    val: Part = Field(0.2, description="Share of each class that is validated on.")
    test: Share = Field(
        0.0, description="Share of each class that is tested on, once, at the very end."
    )
    seed: Seed = Field(0, description="Another one draws others.")

    @model_validator(mode="after")
    def _leave_some(self) -> Self:
        if self.val + self.test >= 1:
            raise ValueError("val and test leave nothing to train on; together they stay below 1")
        return self


class _Parts(Strict):
    """Subfolders that are splits, or one folder that is parted."""

    train: Text = Field("train", description="Subfolder with the training classes.")
    val: Text = Field("val", description="Subfolder with the validation classes.")
    test: Text | None = Field(
        None,
        description="Subfolder with test classes: evaluated once, at the very end, by the best "
        "checkpoint. No other figure sees it.",
    )
    split: Split | None = Field(
        None, description="Part one folder of classes, CLASS/*.jpg, instead of naming three."
    )

    @model_validator(mode="after")
    def _say_it_once(self) -> Self:
        if self.split is not None and (self.train, self.val, self.test) != ("train", "val", None):
            raise ValueError("say either split, or the folders train, val and test")
        return self


class Folder(_Parts):
    """Images in one folder per class: `path/train/CLASS/*.jpg` and `path/val/CLASS/*.jpg`, or
    with `split` simply `path/CLASS/*.jpg`."""

    path: Text = Field(description=f"The root, {_ROOT}")


class Dataset(_Parts):
    """A data set that was pushed to the daemon (`ftctl dataset push NAME DIR`), as it stands when
    the job is submitted; its name alone will do."""

    name: Text = Field(description="Its name; USER/NAME for an admin who means another user's.")

    @model_validator(mode="before")
    @classmethod
    def _accept_a_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("train", "val", "test")
    @classmethod
    def _lie_within(cls, value: str | None) -> str | None:
        if value and (value.startswith("/") or ".." in value.split("/") or "\0" in value):
            raise ValueError(f"`{value}` leads out of the data set; say a folder within it")
        return value


class Manifest(Strict):
    """A table with a row per image: CSV or TSV with a head line, or JSONL (one object per line).
    `path: list.csv` alone takes the columns image, label and split."""

    path: Text = Field(description=f"The table, {_ROOT}")
    root: Text | None = Field(
        None, description="What the images' paths begin at; the table's folder if not stated."
    )
    image: Text = Field("image", description="Column with the path of the image.")
    label: Text = Field("label", description="Column with the name of the class.")
    split: Text = Field(
        "split", description="Column that says train, val (or valid, validation, dev) or test."
    )
    parts: Split | None = Field(None, description="Part the rows, instead of a column that does.")

    @field_validator("split", mode="before")
    @classmethod
    def _name_a_column(cls, value: Any) -> Any:
        if isinstance(value, dict):
            raise ValueError("is the name of a column; to part the rows say `parts: {val: 0.2}`")
        return value


class _HeldOut(Strict):
    """A published set with images to train and to test on; some of the former are held out to
    validate on."""

    val_share: Part = Field(
        0.1, description="Share of each training class that is held out to validate on."
    )
    split_seed: Seed = Field(0, description="Seed of the stratified split.")
    validate_on_test: bool = Field(
        False,
        description="Validate on the set's own test images, and train on all others. The best "
        "epoch is then chosen on them: figures flatter, and nothing is left to test on.",
    )


class TorchvisionSet(_HeldOut):
    """A set that torchvision knows, in the files that it keeps of it. Its test images are tested
    on, once, at the very end. ImageNet is a tree of train and val, which is validated on."""

    name: Literal["CIFAR10", "CIFAR100", "FashionMNIST", "Food101", "StanfordCars", "ImageNet"] = (
        Field(description="As torchvision.datasets calls it.")
    )
    path: Text = Field(description=f"What torchvision calls `root`, {_ROOT}")
    download: bool = Field(
        False, description="Fetch the files when they are not there; not for all sets."
    )


class Cub200(_HeldOut):
    """The birds of CUB-200-2011, by its own lists: images.txt, classes.txt,
    image_class_labels.txt, train_test_split.txt."""

    path: Text = Field(description=f"The folder CUB_200_2011, {_ROOT}")


class Fake(Strict):
    """Made images of noise, the same ones for the same numbers: to try a recipe without data."""

    classes: Annotated[int, Field(ge=2, le=100_000)] = Field(10, description="How many.")
    train: Made = Field(512, description="Images to train on; their classes take turns.")
    val: Made = Field(128, description="Images to validate on.")
    test: Annotated[int, Field(ge=0, le=2_000_000)] = Field(0, description="Images to test on.")
    side: Side = Field(224, description="In pixels.")
    channels: Literal[1, 3] = Field(3, description="1 is grey, 3 is colour.")
    seed: Seed = Field(0, description="Another one draws others.")


class Digits(Strict):
    """scikit-learn's 1,797 handwritten digits, 8 x 8 pixels, one channel (extra `demo`)."""

    val_share: Part = Field(0.3, description="Share of each class that is validated on.")
    split_seed: Annotated[int, Field(ge=0)] = Field(0, description="Seed of the stratified split.")
    noise: NonNegative = Field(
        0.0,
        description="Standard deviation of Gaussian noise added once to every image, "
        "as a share of the full range of grey.",
    )
    labels_per_class: Count | None = Field(
        None, description="Keep this many training images of each class, drawn by split_seed."
    )
