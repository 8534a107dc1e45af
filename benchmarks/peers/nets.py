"""The nets of the tasks, as a script builds them."""

from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torchvision import models

from benchmarks.peers.task import Task

BLOCKS = 16


def net(task: Task, classes: int) -> nn.Module:
    """Return the net with the task's layers frozen the usual way: without gradients."""
    if task.net == "rn16":
        return SmallResNet(classes)
    model: Any = models.mobilenet_v2(weights="IMAGENET1K_V1")
    still = {"head": model, "after:5": model.features[:5], "all": nn.Identity()}[task.trains]
    for parameter in still.parameters():
        parameter.requires_grad = False
    model.classifier[1] = nn.Linear(model.last_channel, classes)
    found: nn.Module = model
    return found


class SmallResNet(nn.Module):
    """A residual net for 32 x 32 pixels: 16 blocks of 16 channels, then an encoder; 213,882
    parameters with ten classes."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout2d(1 / 3),
            nn.Conv2d(3, 16, 1, bias=False),
            *(_Block() for _ in range(BLOCKS)),
            *(_encoder(before, after) for before, after in pairwise((16, 64, 64, 32))),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(32, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Turn N x 3 x 32 x 32 images into logits."""
        logits: Tensor = self.layers(images)
        return logits


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(16, 32, 3, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.LeakyReLU(),
            nn.Conv2d(32, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
        )

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.inner(x)
        return added


def _encoder(before: int, after: int) -> nn.Module:
    conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.LeakyReLU(), nn.MaxPool2d(3))
