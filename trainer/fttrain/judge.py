"""What an evaluation is made by: a net, and how images become what it sees."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fttrain.models.zoo import Net
from fttrain.precision import Precision
from fttrain.spec.images import Preprocess


class Judging(Protocol):
    """All that an evaluation depends on, beside its images. A training is one."""

    @property
    def net(self) -> Net:
        """The net."""

    @property
    def loss(self) -> Callable[[Tensor, Tensor], Tensor]:
        """Logits and labels to their mean loss."""

    @property
    def preprocess(self) -> Preprocess:
        """How bytes become numbers."""

    @property
    def layout(self) -> torch.memory_format:
        """Of images in memory."""

    @property
    def device(self) -> torch.device:
        """Where the net is."""

    @property
    def chunk(self) -> int:
        """So many images are computed at once, black ones added."""

    @property
    def precision(self) -> Precision:
        """In which numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """The net of a run that is evaluated and does not train."""

    net: Net
    loss: Callable[[Tensor, Tensor], Tensor]
    preprocess: Preprocess
    layout: torch.memory_format
    device: torch.device
    chunk: int
    precision: Precision
