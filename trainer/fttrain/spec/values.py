"""Kinds of values that a recipe is made of."""

from typing import Annotated

from pydantic import Field

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
# JSON has no tuples: behind a choice, pydantic sees a list and must be allowed to take it.
Range = Annotated[tuple[Positive, Positive], Field(strict=False)]
Betas = Annotated[tuple[Share, Share], Field(strict=False)]
Text = Annotated[str, Field(min_length=1)]
Selectors = Annotated[list[Text], Field(min_length=1)]
