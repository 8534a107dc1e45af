"""What a finished run can show of its net: mistakes, filters, feature maps, what excites it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fttrain.data.decode import Pixels
from fttrain.data.order import Indices
from fttrain.data.samples import Samples
from fttrain.data.stream import Stream, Task
from fttrain.data.view import EvalView, View, normalise
from fttrain.insight import features, filters, guided, neurons
from fttrain.insight.neurons import Layer, Neuron
from fttrain.loop import Training
from fttrain.pictures import tiles
from fttrain.results import mistakes
from fttrain.results.verdicts import Verdicts
from fttrain.spec.plan import Plan

SAMPLED = 128
"""Validation images among which a neuron finds its own, at equal distances."""
_AT_ONCE = 16
_SIDE = 168
"""Of a stored gradient, in pixels, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """A net that holds its best checkpoint, and what it said of the validation images."""

    title: str
    training: Training
    plan: Plan
    samples: Samples
    found: Verdicts

    def bodies(self, outputs: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the numbers of each picture that is asked for, made as it is reached."""
        known = {
            "mistakes": self._mistakes,
            "filters": self._filters,
            "features": self._features,
            "guided_backprop": self._guided,
        }
        for kind, make in known.items():
            if kind in outputs:
                yield kind, make()

    def _mistakes(self) -> dict[str, Any]:
        shown = mistakes.worst(self.found)
        indices = self.found.indices[shown]
        named = ((self.samples.name(int(index)), self._pixels(index)) for index in indices)
        classes = self.plan.data.classes
        return mistakes.body(self.found, shown, named, classes=classes, title=self.title)

    def _filters(self) -> dict[str, Any]:
        return filters.body(self.training.net, title=self.title)

    def _features(self) -> dict[str, Any]:
        """Show the first validation image that is right; the first of all where none is."""
        place = int((self.found.predicted == self.found.labels).argmax())
        index = int(self.found.indices[place])
        pixels = self._pixels(index)
        self.training.net.module.eval()
        return {
            "title": self.title,
            "image": {**self._told(place), "png": tiles.packed(pixels)},
            "layers": features.body(self.training.net, self._prepared([pixels])),
        }

    def _guided(self) -> dict[str, Any]:
        self.training.net.module.eval()
        places = _spread(self.found.count, SAMPLED)
        first = self._prepared([self._pixels(self.found.indices[0])])
        layer = Layer(self.training.net, first)
        shown = neurons.chosen(layer, self._batches(self.found.indices[places]))
        return {
            "title": self.title,
            "layer": layer.name,
            "norm": layer.norm,
            "images": len(places),
            "rule": "at each activation f: max(gradient, 0) * f'(input)",
            "neurons": [self._neuron(layer, each, int(places[each.image])) for each in shown],
        }

    def _neuron(self, layer: Layer, neuron: Neuron, place: int) -> dict[str, Any]:
        pixels = self._pixels(self.found.indices[place])
        told, value = layer.guided(neuron, self._prepared([pixels]))
        drawn, scale = guided.shaded(told.gradient[0], side=_SIDE)
        return {
            "channel": neuron.channel,
            "row": neuron.row,
            "column": neuron.column,
            "value": value,
            "activations": told.activations,
            **self._told(place),
            "png": tiles.packed(pixels, _SIDE),
            "scale": scale,
            "gradient": tiles.packed(drawn, _SIDE),
        }

    def _told(self, place: int) -> dict[str, Any]:
        classes = self.plan.data.classes
        return {
            "name": self.samples.name(int(self.found.indices[place])),
            "label": classes[self.found.labels[place]],
            "predicted": classes[self.found.predicted[place]],
        }

    def _pixels(self, index: int) -> Pixels:
        return seen(self.samples, EvalView(self.plan.preprocess.steps), Task(0, np.array([index])))[
            0
        ]

    def _batches(self, indices: Indices) -> Iterator[Tensor]:
        view = EvalView(self.plan.preprocess.steps)
        tasks = [
            Task(0, indices[start : start + _AT_ONCE]) for start in range(0, len(indices), _AT_ONCE)
        ]
        with Stream(self.samples, view, self.plan.loader_workers) as stream:
            for batch in stream.run(tasks):
                yield normalise(batch.images.to(self.training.device), self.plan.preprocess.steps)

    def _prepared(self, pixels: list[Pixels]) -> Tensor:
        images = torch.from_numpy(np.stack(pixels).transpose(0, 3, 1, 2).copy())
        return normalise(images.to(self.training.device), self.plan.preprocess.steps)


def seen(samples: Samples, view: View, task: Task) -> list[Pixels]:
    """Return what the net sees of some images, each (height, width, channels)."""
    if not len(task.indices):
        return []
    with Stream(samples, view, 0) as stream:
        (batch,) = stream.run([task])
    return list(batch.images.permute(0, 2, 3, 1).numpy())


def _spread(count: int, most: int) -> Indices:
    """Return at most so many places at equal distances."""
    shown = min(count, most)
    return np.arange(shown) * count // shown
