"""The residual net of the recipe's `rn`: blocks of one width in front of a small encoder."""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

from fttrain.spec import network

WIDTH, INNER = 16, 32
_ENCODER = (WIDTH, 64, 64, 32)
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


class Rn(nn.Module):
    """Dropout of whole channels, a 1x1 convolution, residual blocks, encoder, head."""

    def __init__(self, options: network.Rn, *, channels: int, classes: int) -> None:
        super().__init__()
        activation = _ACTIVATIONS[options.activation]
        self.dropout = nn.Dropout2d(options.dropout)
        self.stem = nn.Conv2d(channels, WIDTH, 1, bias=False)
        self.blocks = nn.Sequential(*(Residual(activation()) for _ in range(options.blocks)))
        self.encoder = nn.Sequential(
            *(_stage(before, after, activation()) for before, after in pairwise(_ENCODER))
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(_ENCODER[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """Turn N x C x H x W images into N x classes logits."""
        seen = self.encoder(self.blocks(self.stem(self.dropout(images))))
        logits: Tensor = self.head(self.avgpool(seen).flatten(1))
        return logits


class Residual(nn.Module):
    """Two convolutions; the activation stands after the first alone, none after the sum."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(WIDTH, INNER, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(INNER)
        self.activation = activation
        self.conv2 = nn.Conv2d(INNER, WIDTH, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Return x and what the convolutions make of it, added up."""
        inner = self.activation(self.bn1(self.conv1(x)))
        added: Tensor = x + self.bn2(self.conv2(inner))
        return added


def _stage(before: int, after: int, activation: nn.Module) -> nn.Sequential:
    conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
    return nn.Sequential(conv, activation, nn.MaxPool2d(3))
