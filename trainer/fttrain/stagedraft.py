"""One stage of a plan in the making: what it decides, and what must hold."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from fttrain import grounding, keepable
from fttrain.data import view
from fttrain.data.decode import BadImage
from fttrain.data.order import batches
from fttrain.data.samples import Source
from fttrain.data.sparing import Sparing
from fttrain.data.view import EvalView, TrainView, check_geometry
from fttrain.models import activations, frozen, sizes
from fttrain.models.zoo import Net
from fttrain.optim import groups
from fttrain.optim.schedules import Course
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.plan import FeaturesCard, GroupCard, PreprocessCard
from fttrain.spec.recipe import Recipe


class Shared(Protocol):
    """What all stages of a plan share. Any part may raise RecipeFaults."""

    @property
    def net(self) -> Net:
        """The net, without values."""
        ...

    @property
    def source(self) -> Source:
        """The images that are used."""
        ...

    @property
    def preprocess(self) -> PreprocessCard:
        """How an image becomes the net's input."""
        ...


@dataclass(frozen=True, kw_only=True)
class StageDraft:
    """What one stage turns out to mean. Every part raises RecipeFaults where it cannot be."""

    recipe: Recipe
    """Flat: as if the stage were all of the training."""
    shared: Shared
    is_part: bool = False
    """True if there are other stages."""

    @cached_property
    def table(self) -> list[GroupCard]:
        """The group table."""
        return groups.table(self.shared.net, self.recipe.train)

    @property
    def trained(self) -> list[str]:
        """The names of all parameters that train."""
        return [name for group in self.table for name in group.names]

    @cached_property
    def norms(self) -> tuple[int, int]:
        """The number of BatchNorm layers whose statistics move, and of those that stay."""
        moving, staying = frozen.norms(self.shared.net, self.trained, bn=self.recipe.train.bn)
        return len(moving), len(staying)

    @cached_property
    def prefix(self) -> int:
        """So many blocks run ahead."""
        return frozen.prefix(self.shared.net, self.trained, bn=self.recipe.train.bn)

    @cached_property
    def course(self) -> Course:
        """The course of the learning rate."""
        train = self.recipe.train
        order = np.arange(len(self.shared.source.train))
        cut = batches(order, train.batch_size, self.norms[0] > 0)
        return Course(
            schedule=train.schedule,
            warmup=train.warmup,
            epochs=train.epochs,
            steps_per_epoch=-(-len(cut) // train.accumulate),
        )

    @cached_property
    def train_shape(self) -> tuple[int, int, int]:
        """The shape of one training image, (C, H, W)."""
        return self._shape(self._view)

    @cached_property
    def features(self) -> FeaturesCard | None:
        """What becomes of what the blocks that run ahead make; None where none does."""
        return keepable.card(
            self.shared.net,
            self.recipe,
            self._view,
            is_part=self.is_part,
            prefix=self.prefix,
            shape=self.train_shape,
        )

    @property
    def _view(self) -> TrainView:
        return view.of(self.recipe, self.shared.preprocess.steps)

    @cached_property
    def eval_shape(self) -> tuple[int, int, int]:
        """The shape of one image that is evaluated on, (C, H, W)."""
        return self._shape(EvalView(self.shared.preprocess.steps))

    def numbers(self) -> Mapping[str, Any]:
        """Return what a plan says of the net in this stage."""
        net, train = self.shared.net, self.recipe.train
        moving, staying = frozen.norms(net, self.trained, bn=train.bn)
        return {
            "prefix": [block.name for block in net.blocks[: self.prefix]],
            "groups": self.table,
            "parameters_trained": sum(group.parameters for group in self.table),
            "activation_bytes": activations.saved_bytes(
                net,
                (train.batch_size, *self.train_shape),
                prefix=self.prefix,
                trained=self.trained,
                staying=staying,
            ),
            "batch_norm_eval": len(staying),
            "batch_norm_train": len(moving),
            "features": self.features,
            "pictures": grounding.card(
                self.shared.source.train,
                self.recipe,
                self._view,
                features=self.features,
                is_part=self.is_part,
            ),
            "is_light": frozen.is_light(net, prefix=self.prefix, images=train.batch_size),
        }

    def faults(self) -> Iterator[Fault]:
        """Yield what cannot be."""
        works: tuple[Callable[[], object], ...] = (
            lambda: self.table,
            self._check_geometry,
            self._check_batches,
            self._check_warmup,
            self._check_sizes,
        )
        for work in works:
            try:
                work()
            except RecipeFaults as found:
                yield from found.faults

    def _shape(self, view: EvalView | TrainView) -> tuple[int, int, int]:
        try:
            first = Sparing(self.shared.source.train).picture(0)
        except BadImage as bad:
            raise _fault("data", str(bad)) from None
        channels, height, width = view(first, epoch=1, index=0).shape
        return channels, height, width

    def _check_geometry(self) -> None:
        faults = check_geometry(self.recipe.data, self.shared.preprocess.steps)
        if faults:
            raise RecipeFaults(faults)

    def _check_channels(self) -> None:
        name, source = self.recipe.model.name, self.shared.source
        if name is not None and source.channels != 3:
            what = f"{name} takes 3 channels, {source.name} has {source.channels}; use a `cnn`"
            raise _fault("model.name", what)

    def _check_batches(self) -> None:
        size, images = self.recipe.train.batch_size, len(self.shared.source.train)
        if size > images:
            what = f"is {size}, but there are {images} images to train on; use at most {images}"
            raise _fault("train.batch_size", what)
        if size == 1 and self.norms[0]:
            what = (
                "is 1, of which BatchNorm cannot take statistics; use at least 2, or train "
                "nothing of BatchNorm"
            )
            raise _fault("train.batch_size", what)

    def _check_warmup(self) -> None:
        warmup, course = self.recipe.train.warmup, self.course
        if warmup is not None and course.warmup_steps >= course.steps:
            unit = "epochs" if warmup.epochs is not None else "steps"
            whole = "stage" if self.is_part else "run"
            what = f"takes {course.warmup_steps} steps, all that the {whole} has is {course.steps}"
            raise _fault(f"train.warmup.{unit}", what)

    def _check_sizes(self) -> None:
        self._check_channels()
        self._check_geometry()
        for shape in dict.fromkeys((self.eval_shape, self.train_shape)):
            complaint = sizes.complaint(self.shared.net, shape, trained=self.trained)
            if complaint is not None:
                raise _fault("data", complaint)


def _fault(field: str, description: str) -> RecipeFaults:
    return RecipeFaults([Fault(field=field, description=description)])
