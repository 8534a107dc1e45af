"""What a recipe says of the net and the weights that it starts from."""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from fttrain.spec.choice import FLAT, OneOf, Strict
from fttrain.spec.values import Share, Text, Width

NETS = ("name", "cnn", "rn")
"""How a net can be said: each recipe says one."""


class Cnn(Strict):
    """A small convolutional net: per entry of `channels` a block of 3x3 convolution, BatchNorm,
    ReLU and (where `pool` says so) 2x2 max pooling; then global average pooling and the head."""

    channels: Annotated[list[Width], Field(min_length=1, max_length=16)] = Field(
        [16, 32, 64], description="Outputs of each block, from the image to the head."
    )
    pool: Annotated[int, Field(ge=0)] = Field(2, description="Pool after the first n blocks.")
    dropout: Share = Field(0.0, description="Before the head.")


class Rn(Strict):
    """A residual net for small images: dropout of whole input channels, 1x1 convolution to 16
    channels, `blocks` residual blocks (16 to 32 to 16 channels), three times 3x3 convolution and
    3x3 max pooling (64, 64, 32 channels), global average pooling and the head. Images of at least
    27 x 27 pixels. 16 blocks and 10 classes have 213,882 parameters."""

    blocks: Annotated[int, Field(ge=1, le=256)] = Field(16, description="Residual blocks.")
    activation: Literal["leaky_relu", "relu", "gelu", "elu", "silu", "tanh", "sigmoid"] = Field(
        "leaky_relu", description="After the first convolution of a block, and in the encoder."
    )
    dropout: Share = Field(1 / 3, description="Share of the input's channels that is dropped.")


class Plain(Strict):
    """A layer without options."""


class Linear(Strict):
    """A linear layer; `{linear: 512}` will do."""

    model_config = ConfigDict(json_schema_extra={"type": ["object", "integer"]})

    width: Width = Field(description="Its outputs.")

    @model_validator(mode="before")
    @classmethod
    def _accept_a_width(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"width": value}


class Dropout(Strict):
    """Dropout; `{dropout: 0.2}` will do."""

    model_config = ConfigDict(json_schema_extra={"type": ["object", "number"]})

    p: Share = Field(0.5, description="Share of the values that is dropped while training.")

    @model_validator(mode="before")
    @classmethod
    def _accept_a_share(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"p": value}


class HeadLayer(OneOf):
    """A layer of a head, as torch.nn makes it; norms have the width of what comes before them."""

    linear: Linear | None = None
    relu: Plain | None = None
    gelu: Plain | None = None
    silu: Plain | None = None
    hardswish: Plain | None = None
    tanh: Plain | None = None
    dropout: Dropout | None = None
    batch_norm: Plain | None = None
    layer_norm: Plain | None = None


def _form(value: Any) -> str:
    return "<list>" if isinstance(value, list) else "<name>"


Head = Annotated[
    Annotated[Literal["auto", "new", "keep"], Tag("<name>")]
    | Annotated[list[HeadLayer], Field(min_length=1, max_length=32), Tag("<list>")],
    Discriminator(_form),
    FLAT,
]


class Model(Strict):
    """The net and the weights it starts from."""

    name: Text | None = Field(
        None,
        description="A classifier of torchvision, by its name there; or of timm, as timm/NAME "
        "(extra `timm`).",
    )
    cnn: Cnn | None = None
    rn: Rn | None = None
    weights: Text = Field(
        "none",
        description="`none`; a torchvision enum member (IMAGENET1K_V1); `timm`, the published "
        "weights of a net of timm; `file:PATH`; `job:NAME/best` or `job:NAME/last`.",
    )
    head: Head = Field(
        "auto",
        description="auto keeps the head where the classes are those of the weights. A list of "
        "layers takes the place of the net's last layer; one linear output per class follows.",
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_a_bare_net(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        bare: dict[str, Any] = {
            kind: {} for kind in ("cnn", "rn") if kind in value and value[kind] is None
        }
        return {**value, **bare}

    @model_validator(mode="after")
    def _one_net(self) -> Self:
        if sum(net is not None for net in self.net) != 1:
            raise ValueError(f"say which net, exactly one of: {', '.join(NETS)}")
        return self

    @property
    def net(self) -> tuple[str | None, Cnn | None, Rn | None]:
        """Which net it is, apart from its head."""
        return self.name, self.cnn, self.rn

    @property
    def layers(self) -> tuple[HeadLayer, ...]:
        """The layers of the head before the last, where the recipe lists them."""
        return tuple(self.head) if isinstance(self.head, list) else ()
