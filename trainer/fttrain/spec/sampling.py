"""What a recipe says of which images an epoch sees."""

from pydantic import Field

from fttrain.spec.choice import OneOf, Strict
from fttrain.spec.values import ByClass


class Shuffled(Strict):
    """Every image once per epoch, in a new order each time."""


class Weighted(Strict):
    """As many images per epoch as there are, drawn with replacement; some classes more often."""

    weights: ByClass = Field(
        "balanced",
        description="How often an image of a class is drawn: a map of class names, 1 where not "
        "named; `balanced`: 1 / images of the class, so that classes are drawn alike.",
    )


class Sampling(OneOf):
    """Which images an epoch sees."""

    shuffled: Shuffled | None = None
    weighted: Weighted | None = None
