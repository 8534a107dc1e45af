"""What a recipe says of the net and the weights that it starts from."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from fttrain.spec.choice import Strict
from fttrain.spec.values import Count, Share, Text


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
