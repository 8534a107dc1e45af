"""What a recipe says of losses."""

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from fttrain.spec.choice import FLAT, OneOf, Strict, shape
from fttrain.spec.values import Balanced, ByClass, Named, NonNegative, Positive, Share

PosWeight = Annotated[
    Annotated[Positive, Tag("<number>")]
    | Annotated[Balanced, Tag("<name>")]
    | Annotated[Named, Tag("<map>")],
    Discriminator(
        shape,
        custom_error_type="pos_weight",
        custom_error_message="Input should be a number, `balanced`, or a map of class names to "
        "numbers",
    ),
    FLAT,
]


class CrossEntropy(Strict):
    """torch.nn.functional.cross_entropy."""

    label_smoothing: Share = Field(
        0.0, description="Share of each target that is spread evenly over all classes."
    )
    class_weights: ByClass | None = Field(
        None,
        description="A map of class names to weights, 1 where not named; `balanced`: "
        "images / (classes * images of the class). A batch's mean is over weights, not images.",
    )


class Focal(Strict):
    """The softmax focal loss: the mean of -alpha_y * (1 - p_y) ** gamma * log(p_y)."""

    gamma: NonNegative = Field(
        2.0, description="How much less images count that are right already; 0: cross entropy."
    )
    alpha: ByClass | None = Field(
        None,
        description="A map of class names to weights, 1 where not named; `balanced`: "
        "images / (classes * images of the class). Not stated: 1.",
    )


class Bce(Strict):
    """One yes or no per class: binary cross entropy with logits on one-hot targets, the mean over
    images and classes."""

    label_smoothing: Share = Field(
        0.0, description="Targets become (1 - s) * target + s / classes."
    )
    pos_weight: PosWeight | None = Field(
        None,
        description="What a class's own images count: a number for all, a map of class names, 1 "
        "where not named; `balanced`: other images / images of the class.",
    )


class Loss(OneOf):
    """What is minimised."""

    cross_entropy: CrossEntropy | None = None
    focal: Focal | None = None
    bce: Bce | None = None
