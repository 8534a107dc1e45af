"""What a recipe says of random changes of training images."""

from typing import Annotated

from pydantic import Field

from fttrain.spec.choice import OneOf, Strict
from fttrain.spec.values import Count, Range


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
