"""The small convolutional net of the recipe's `cnn`."""

import itertools

from torch import Tensor, nn

from fttrain.spec import network


class Cnn(nn.Module):
    """Blocks of 3x3 convolution, BatchNorm, ReLU and pooling; global average; dropout; head."""

    def __init__(self, options: network.Cnn, *, channels: int, classes: int) -> None:
        super().__init__()
        widths = [channels, *options.channels]
        self.features = nn.Sequential(
            *(
                _block(before, after, pool=index < options.pool)
                for index, (before, after) in enumerate(itertools.pairwise(widths))
            )
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(options.dropout)
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """Turn N x C x H x W images into N x classes logits."""
        pooled: Tensor = self.avgpool(self.features(images))
        logits: Tensor = self.head(self.dropout(pooled.flatten(1)))
        return logits


def _block(before: int, after: int, *, pool: bool) -> nn.Sequential:
    layers = [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))
