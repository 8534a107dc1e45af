"""Kinds of values that a recipe is made of."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from fttrain.spec.choice import FLAT, shape

MOST = 1e30
"""Of numbers that meet weights, which are 32-bit floats: these end at 3.4e38."""


def _within(value: float) -> float:
    if value > MOST:
        raise ValueError(f"{value:g} is too large; at most {MOST:g}")
    return value


Positive = Annotated[float, Field(gt=0), AfterValidator(_within)]
NonNegative = Annotated[float, Field(ge=0), AfterValidator(_within)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
Width = Annotated[int, Field(ge=1, le=65_536)]
# JSON has no tuples: behind a choice, pydantic sees a list and must be allowed to take it.
Range = Annotated[tuple[Positive, Positive], Field(strict=False)]
Betas = Annotated[tuple[Share, Share], Field(strict=False)]
MOST_SIDE = 8192
Side = Annotated[int, Field(ge=1, le=MOST_SIDE)]
"""Of images that go into a net, in pixels: one of twice that takes a gigabyte."""
Text = Annotated[str, Field(min_length=1)]
# One alone needs no brackets.
Selectors = Annotated[
    list[Text], Field(min_length=1, json_schema_extra={"type": ["array", "string"]})
]
Balanced = Literal["balanced"]
Named = dict[Text, Positive]
ByClass = Annotated[
    Annotated[Balanced, Tag("<name>")] | Annotated[Named, Tag("<map>")],
    Discriminator(
        shape,
        custom_error_type="by_class",
        custom_error_message="Input should be `balanced` or a map of class names to numbers",
    ),
    FLAT,
]
