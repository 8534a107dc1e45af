"""Runs of the engine's loop, on images or on what a frozen prefix makes of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor

from fttrain import agenda, assembly, loop
from fttrain.cache.features import Features, Passing
from fttrain.cache.room import Place
from fttrain.data import sources
from fttrain.data.stream import Batch, Stream
from fttrain.data.view import EvalView, TrainView
from fttrain.data.ways import Ways
from fttrain.loop import Training
from fttrain.results.verdicts import Verdicts
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from tests import engine

EPOCHS = 3


def make_weights(folder: Path) -> Path:
    """Make the weights of a small net, and return where they lie.

    Its features differ from image to image; as a net is begun, they are all but 0.
    """
    torch.manual_seed(1)
    net = torchvision.models.shufflenet_v2_x0_5()
    net.apply(lambda layer: setattr(layer, "momentum", 1.0))
    net(torch.randn(16, 3, 32, 32))
    path = folder / "shufflenet.pt"
    torch.save(net.state_dict(), path)
    return path


def recipe(
    photos: Path, weights: Path, *, data: Any = None, model: Any = None, **train: Any
) -> Recipe:
    whole = {"folder": {"path": str(photos)}, "preprocess": engine.FRAMED, "workers": 0}
    net = {"name": "shufflenet_v2_x0_5", "weights": f"file:{weights}"}
    said = {"epochs": EPOCHS, "trains": "head", **train}
    return engine.parsed({**whole, **(data or {})}, model or net, said)


class Run:
    """A run of the engine's loop, on images or on features."""

    def __init__(self, chosen: Recipe) -> None:
        self.recipe = chosen
        self.plan: Plan = engine.planned(chosen)
        self.source = sources.load(chosen.data)
        self.training: Training = assembly.training(chosen, self.plan)
        steps = self.plan.preprocess.steps
        data, seed = chosen.data, chosen.train.seed
        self.view = TrainView(steps, data.augment, seed, data.views)
        self.eval_view = EvalView(steps)
        self.made = 0

    def on_images(self) -> tuple[dict[str, Tensor], Verdicts]:
        train = Stream(self.source.train, self.view, 0)
        return self._trained(train, Stream(self.source.val, self.eval_view, 0))

    def on_features(self, root: Path, most_bytes: int = 1 << 30) -> tuple[dict[str, Tensor], Any]:
        with self.passing(root, most_bytes) as passing:
            train, val = self.features(passing, "train"), self.features(passing, "val")
            return self._trained(train, val)

    def passing(self, root: Path, most_bytes: int = 1 << 30) -> Passing:
        place = Place(root=root, most_bytes=most_bytes)
        found = Passing.begin(self.training, self.plan, place, shapes=[(3, 32, 32)])
        assert found is not None
        return found

    def features(self, passing: Passing, split: str) -> Features:
        ways = Ways.of(self.view if split == "train" else self.eval_view)
        assert ways is not None
        samples = getattr(self.source, split)
        return passing.features(samples, ways, self._counted, until=self.plan.epochs)

    def _counted(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        for batch in batches:
            self.made += len(batch.indices)
            yield batch

    def _trained(self, train: Any, val: Any) -> tuple[dict[str, Tensor], Verdicts]:
        labels = self.source.train.labels
        tasks = agenda.training(self.recipe, self.plan, labels)
        for _step in loop.train(self.training, train.run(tasks), first_step=0):
            pass
        judged = agenda.evaluation(self.plan, len(self.source.val), EPOCHS)
        found = loop.evaluate(self.training, val.run(judged))
        return self.training.net.module.state_dict(), found


def same(
    one: tuple[dict[str, Tensor], Verdicts], other: tuple[dict[str, Tensor], Verdicts]
) -> bool:
    is_same_net = all(torch.equal(tensor, other[0][name]) for name, tensor in one[0].items())
    return is_same_net and one[1].loss == other[1].loss
