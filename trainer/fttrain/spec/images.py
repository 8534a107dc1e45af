"""What a recipe says of its images: where they come from, and how they become input."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from fttrain.spec.augmentation import Augmentation, Mix
from fttrain.spec.choice import Strict
from fttrain.spec.origins import (
    Cub200,
    Dataset,
    Digits,
    Fake,
    Folder,
    Manifest,
    Split,
    TorchvisionSet,
)
from fttrain.spec.sampling import Sampling, Shuffled
from fttrain.spec.values import Count, Positive, Side

__all__ = [
    "Cub200",
    "Data",
    "Dataset",
    "Digits",
    "Fake",
    "Folder",
    "Manifest",
    "Preprocess",
    "Split",
    "StatedPreprocess",
    "TorchvisionSet",
]

SOURCES = ("folder", "dataset", "manifest", "torchvision", "cub200", "fake", "digits")
"""Where images can come from: each recipe says one."""

_SHARE = r"^(100|[0-9]{1,2}(\.[0-9]+)?)%$"
Level = Annotated[int, Field(ge=0, le=255)]
Mean = Annotated[list[float], Field(min_length=1, max_length=3)]
Deviation = Annotated[list[Positive], Field(min_length=1, max_length=3)]


class _Framing(Strict):
    resize: Side | None = Field(None, description="Shorter side after resizing, in pixels.")
    crop: Side | None = Field(None, description="Side of the centre crop, in pixels.")
    interpolation: Literal["bilinear", "bicubic"] = Field(
        "bilinear", description="How pixels are taken between pixels when resizing."
    )


class Preprocess(_Framing):
    """How an image becomes the net's input."""

    mean: Mean
    std: Deviation


class StatedPreprocess(_Framing):
    """How an image becomes the net's input. Comes with the weights where it is not stated."""

    mean: Mean | None = Field(
        None, description="Per channel, of values 0 to 1. Not stated: that of the weights."
    )
    std: Deviation | None = Field(
        None, description="Per channel, of values 0 to 1. Not stated: that of the weights."
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.mean is None) != (self.std is None):
            raise ValueError("say both mean and std, or neither, for those of the weights")
        return self

    def completed(self, known: Preprocess | None = None) -> Preprocess:
        """Return it whole: with mean and std of what the weights bring, where it says none."""
        colours = {} if known is None else {"mean": known.mean, "std": known.std}
        return Preprocess(**{**colours, **self.model_dump(exclude_none=True)})


def _or_a_name(schema: dict[str, Any]) -> None:
    """Tell editors that a bare name will do."""
    schema["anyOf"].insert(0, {"type": "string"})


class Data(Strict):
    """Where the images come from and what happens to them."""

    folder: Folder | None = None
    dataset: Dataset | None = Field(None, json_schema_extra=_or_a_name)
    manifest: Manifest | None = None
    torchvision: TorchvisionSet | None = None
    cub200: Cub200 | None = None
    fake: Fake | None = None
    digits: Digits | None = None
    limit: Count | None = Field(
        None,
        description="Keep at most so many images of each class in each split, always the same "
        "ones: for a short trial.",
    )
    duplicates: Literal["report", "drop", "refuse"] = Field(
        "report",
        description="What to do where the same file, byte for byte, lies in two splits: say so in "
        "the plan; drop it from the split that is trained on; or refuse the recipe.",
    )
    max_bad: int | str = Field(
        "1%",
        description="So many images, or so large a share of all, may be unreadable: they are left "
        "out by name. With more the job fails.",
        json_schema_extra={"pattern": _SHARE, "minimum": 0},
    )
    max_pixels: Annotated[int, Field(ge=1, le=178_000_000)] = Field(
        100_000_000, description="Images with more pixels count as unreadable."
    )
    background: Annotated[list[Level], Field(min_length=3, max_length=3)] = Field(
        [255, 255, 255],
        description="Red, green and blue, 0 to 255, that transparent pixels are laid over.",
    )
    decode_min_side: Count | None = Field(
        None,
        description="Decode a JPEG at 1/2, 1/4 or 1/8 of its size where its shorter side stays at "
        "least so many pixels: faster on large photos; the pixels differ a little.",
    )
    augment: list[Augmentation] = Field([], description="Applied to training images, in order.")
    views: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None,
        description="Draw the random changes of an image so many times only; epochs take turns. "
        "What a frozen part of the net makes of them is then made once, and kept. Not stated: they "
        "are drawn anew in each epoch.",
    )
    mix: list[Mix] = Field(
        [],
        description="Ways of mixing the images of a training batch; one of the list, drawn evenly, "
        "for each batch. Training accuracy then counts the class with the larger share.",
    )
    repeats: Count = Field(
        1,
        description="Show each image so many times in a row, each time changed anew. An epoch "
        "keeps its length, so it sees so many times fewer images.",
    )
    sampling: Sampling = Sampling(shuffled=Shuffled())
    preprocess: StatedPreprocess | None = Field(
        None, description="Stated where the weights do not bring it."
    )
    cache: Literal["auto", "none"] = Field(
        "auto",
        description="auto: what is made of images and would be made again is kept on disk, for "
        "later epochs and for other jobs. The result does not depend on it.",
    )
    workers: Annotated[int, Field(ge=0, le=64)] | None = Field(
        None,
        description="Loader processes; the plan decides where it is not stated. "
        "The result does not depend on it.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            known = ", ".join(SOURCES)
            raise ValueError(f"say where the images come from, exactly one of: {known}")
        return self

    @field_validator("max_bad", mode="before")
    @classmethod
    def _count_or_share(cls, value: Any) -> Any:
        is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if not is_count and not (isinstance(value, str) and re.fullmatch(_SHARE, value)):
            raise ValueError(f"should be a count such as 3 or a share such as '1%', not {value!r}")
        return value

    @property
    def channels(self) -> int:
        """What the images have: 1 for grey ones, else 3."""
        if self.fake is not None:
            return self.fake.channels
        is_fashion = self.torchvision is not None and self.torchvision.name == "FashionMNIST"
        return 1 if self.digits is not None or is_fashion else 3

    @property
    def is_of_one_size(self) -> bool:
        """True where all images have one size as they come."""
        tables = ("CIFAR10", "CIFAR100", "FashionMNIST")
        is_table = self.torchvision is not None and self.torchvision.name in tables
        return self.digits is not None or self.fake is not None or is_table

    def most_bad(self, images: int) -> int:
        """Return how many of so many images may be unreadable."""
        if isinstance(self.max_bad, int):
            return self.max_bad
        # Per mille of a per cent: shares as people write them are exact so.
        return images * round(float(self.max_bad[:-1]) * 1000) // 100_000
