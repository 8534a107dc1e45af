"""Neurons of the last convolution, and the images that excite them most."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fttrain.insight import guided, layers
from fttrain.insight.guided import Guided
from fttrain.models.zoo import Net

NEURONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Neuron:
    """One place of one map, in the image where that is largest."""

    channel: int
    row: int
    column: int
    image: int
    """Which of the images, from 0."""


class Layer:
    """The last convolution of a net, with its norm: before the activation."""

    def __init__(self, net: Net, image: Tensor) -> None:
        """`image` is one that is prepared. The net has a convolution."""
        self._net = net
        with torch.inference_mode():
            found = layers.last_convolution(net, image)
        self.name, self._last = found[0], found[-1]
        self.norm = found[1] if len(found) > 1 else None

    def run(self, images: Tensor) -> Tensor:
        """Return what the layer makes of prepared images, (N, channels, height, width)."""
        made: list[Tensor] = []

        def tell(_name: str, _module: nn.Module, _given: Tensor, found: Tensor) -> None:
            # An activation that runs in place would write into it.
            made.append(found.clone())

        module = self._net.module.get_submodule(self._last)
        with layers.heard([(self._last, module)], tell):
            layers.forward(self._net, images)
        return made[-1]

    def guided(self, neuron: Neuron, image: Tensor) -> tuple[Guided, float]:
        """Return the guided gradient of a neuron by its prepared image, (1, C, H, W), and its
        value."""
        with torch.enable_grad():
            given = image.detach().clone().requires_grad_(True)
            value = self.run(given)[0, neuron.channel, neuron.row, neuron.column]
            return guided.back(value, given), value.item()


def chosen(layer: Layer, batches: Iterable[Tensor]) -> list[Neuron]:
    """Return neurons of channels at equal distances, of those that any image excites.

    `batches` are prepared images. Each neuron lies where its channel is largest over all of them.
    """
    largest, places, width = [], [], 0
    with torch.inference_mode():
        for images in batches:
            made = layer.run(images)
            width = made.shape[-1]
            values, where = made.flatten(2).max(2)
            largest.append(values.float().cpu().numpy())
            places.append(where.cpu().numpy())
    whole, where_ = np.concatenate(largest), np.concatenate(places)
    return [
        Neuron(channel=channel, row=place // width, column=place % width, image=image)
        for channel in _some(whole)
        for image in [int(whole[:, channel].argmax())]
        for place in [int(where_[image, channel])]
    ]


def _some(whole: NDArray[np.float32]) -> Sequence[int]:
    """Return channels: none that is never above 0, unless all are."""
    alive = np.flatnonzero(whole.max(0) > 0)
    known = alive if len(alive) else np.arange(whole.shape[1])
    most = min(NEURONS, len(known))
    return [int(known[place * len(known) // most]) for place in range(most)]
