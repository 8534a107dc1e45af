"""Mixing the images of a batch, and their classes, as torchvision's MixUp and CutMix do."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fttrain.data.chance import Draws
from fttrain.spec.augmentation import Mix

_PURPOSE = 0x6D6978  # Keeps this chance apart from that of single images.


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """A batch under mixup: this share of each image stays."""

    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Paste:
    """A batch under cutmix: this box is another image's, in pixels."""

    left: int
    top: int
    right: int
    bottom: int
    share: float
    """Of the area that stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixing:
    """How the batches of a run are mixed."""

    ways: Sequence[Mix]
    classes: int
    shift: int
    """The image that is mixed in stands so many places before: as many as an image is repeated,
    so that none is mixed with itself."""
    seed: int

    def __call__(
        self, images: Tensor, labels: Tensor, *, step: int, place: int
    ) -> tuple[Tensor, Tensor]:
        """Return images, (N, C, H, W), and the share of each class, (N, classes), as float32.

        A pure function of the batch, the seed, the step and the batch's place in the step.
        Blended images are float32 of the range of bytes, others bytes.
        """
        height, width = images.shape[-2:]
        drawn = draw(self.ways, (width, height), Draws(_PURPOSE, self.seed, step, place))
        targets = F.one_hot(labels, self.classes).to(torch.float32)
        match drawn:
            case Blend(share=share):
                return _blended(images.to(torch.float32), share, self.shift), _blended(
                    targets, share, self.shift
                )
            case Paste(share=share):
                return _pasted(images, drawn, self.shift), _blended(targets, share, self.shift)
            case None:
                return images, targets


def draw(ways: Sequence[Mix], size: tuple[int, int], draws: Draws) -> Blend | Paste | None:
    """Return how to mix a batch of images of (width, height); None: not at all."""
    way = ways[draws.below(len(ways))]
    if draws.uniform() >= way.value.p:
        return None
    share = draws.dirichlet(way.value.alpha, 2)[0]
    return Blend(share=share) if way.mixup is not None else _paste(share, size, draws)


def _paste(share: float, size: tuple[int, int], draws: Draws) -> Paste:
    width, height = size
    x, y = draws.below(width), draws.below(height)
    reach = 0.5 * math.sqrt(1.0 - share)
    across, down = int(reach * width), int(reach * height)
    left, right = max(x - across, 0), min(x + across, width)
    top, bottom = max(y - down, 0), min(y + down, height)
    stays = 1.0 - (right - left) * (bottom - top) / (width * height)
    return Paste(left=left, top=top, right=right, bottom=bottom, share=stays)


def _blended(values: Tensor, share: float, shift: int) -> Tensor:
    return values.roll(shift, 0).mul_(1.0 - share).add_(values.mul(share))


def _pasted(images: Tensor, box: Paste, shift: int) -> Tensor:
    made = images.clone()
    part = (..., slice(box.top, box.bottom), slice(box.left, box.right))
    made[part] = images[part].roll(shift, 0)
    return made
