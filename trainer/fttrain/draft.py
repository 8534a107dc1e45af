"""A plan in the making: its parts, and what must hold between them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from fttrain import balance, continuing
from fttrain.artifacts import tensorboard
from fttrain.balance import Counts, Weighting
from fttrain.data import audit, sources
from fttrain.data.audit import Audit
from fttrain.data.decode import BadImage
from fttrain.data.order import batches
from fttrain.data.samples import Source
from fttrain.data.sparing import Sparing
from fttrain.data.view import EvalView, TrainView, check_geometry
from fttrain.models import build, fit, frozen, sizes, timm_nets, weights, zoo
from fttrain.models.fit import Fit
from fttrain.models.weights import Lineage, Weights
from fttrain.models.zoo import Net
from fttrain.optim import groups
from fttrain.optim.schedules import Course
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.images import StatedPreprocess
from fttrain.spec.plan import ContinuedCard, GroupCard, PreprocessCard
from fttrain.spec.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a recipe turns out to mean. Each part is worked out when it is first asked for.

    Every part raises RecipeFaults where it, or a part that it depends on, cannot be.
    """

    recipe: Recipe
    references: Mapping[str, str]
    cache: Path | None = None
    """Where to keep what is learned of image files."""

    def check(self) -> None:
        """Work out and check everything.

        Raises:
            RecipeFaults: with all faults, each once.
        """
        parts = (
            "source", "start", "net", "table", "fit", "preprocess", "weighting", "continued",
        )  # fmt: skip
        works: list[Callable[[], object]] = [partial(getattr, self, part) for part in parts]
        works += [self._check_geometry, self._check_batches, self._check_warmup, self._check_sizes]
        works.append(self._check_outputs)
        faults: dict[Fault, None] = {}
        for work in works:
            try:
                work()
            except RecipeFaults as found:
                faults |= dict.fromkeys(found.faults)
        if faults:
            raise RecipeFaults(list(faults))

    @cached_property
    def found(self) -> Source:
        """The images that are there."""
        return sources.load(self.recipe.data, self.references)

    @cached_property
    def audit(self) -> Audit:
        """What is wrong with them."""
        return audit.look(self.found, self.recipe.data, self.cache)

    @cached_property
    def source(self) -> Source:
        """The images that are used."""
        return self.found.without(self.audit.left_out)

    @cached_property
    def start(self) -> Weights | None:
        """The weights; None for random values."""
        return weights.read(self.recipe.model, self.references, cache=weights.published_cache())

    @property
    def lineage(self) -> Lineage | None:
        """Where the weights come from."""
        return self.start.lineage if self.start is not None else None

    @cached_property
    def net(self) -> Net:
        """The net, without values."""
        try:
            classes, channels = len(self.source.classes), self.source.channels
        except RecipeFaults:
            # Selectors can be checked on a net of any number of classes.
            classes, channels = 2, 3
        try:
            tensors = self.start.tensors if self.start is not None else None
        except RecipeFaults:
            tensors = None
        return build.skeleton(
            self.recipe.model, classes=classes, channels=channels, tensors=tensors
        )

    @cached_property
    def table(self) -> list[GroupCard]:
        """The group table."""
        return groups.table(self.net, self.recipe.train)

    @property
    def trained(self) -> list[str]:
        """The names of all parameters that train."""
        return [name for group in self.table for name in group.names]

    @cached_property
    def keeps_head(self) -> bool:
        """True if the head of the weights stays."""
        return weights.keeps_head(self.recipe.model, self.lineage, self.source.classes)

    @cached_property
    def fit(self) -> Fit:
        """Which tensors come from the weights."""
        if self.start is None:
            return Fit(loaded=[], new=list(self.net.module.state_dict()))
        return fit.compare(
            self.net,
            self.start.tensors,
            keep_head=self.keeps_head,
            source=self.recipe.model.weights,
        )

    @cached_property
    def preprocess(self) -> PreprocessCard:
        """How an image becomes the net's input."""
        match self.recipe.data.preprocess, self.known_preprocess:
            case None, PreprocessCard() as known:
                return known
            case StatedPreprocess(mean=[*_]) as stated, _:
                return PreprocessCard(steps=stated.completed(), origin="recipe")
            case StatedPreprocess() as stated, PreprocessCard() as known:
                origin = f"recipe, mean and std from {known.origin}"
                return PreprocessCard(steps=stated.completed(known.steps), origin=origin)
            case stated, _:
                raise _fault(
                    "data.preprocess",
                    f"must be stated: `{self.recipe.model.weights}` does not say how images are "
                    "prepared; give mean and std" + ("" if stated else ", and resize and crop"),
                )

    @property
    def known_preprocess(self) -> PreprocessCard | None:
        """What the weights, or else the images themselves, say of it."""
        if self.lineage is not None:
            return PreprocessCard(steps=self.lineage.preprocess, origin=self.lineage.origin)
        if self.source.preprocess is not None:
            return PreprocessCard(steps=self.source.preprocess, origin=self.source.name)
        name = self.recipe.model.name or ""
        if name.startswith(zoo.TIMM):
            return PreprocessCard(steps=timm_nets.preprocess(name), origin=name)
        return None

    @cached_property
    def weighting(self) -> Weighting:
        """What classes count, in the loss and in the drawing of images."""
        return balance.work_out(self.recipe, self.counts)

    @property
    def counts(self) -> Counts:
        """How many images of each class there are to train on."""
        classes, labels = self.source.classes, self.source.train.labels
        per_class = np.bincount(labels, minlength=len(classes))
        return Counts(classes=classes, per_class=per_class.tolist())

    @cached_property
    def moving_norms(self) -> int:
        """The number of BatchNorm layers whose statistics move."""
        return len(frozen.norms(self.net, self.trained, bn=self.recipe.train.bn)[0])

    @cached_property
    def course(self) -> Course:
        """The course of the learning rate."""
        train = self.recipe.train
        order = np.arange(len(self.source.train))
        cut = batches(order, train.batch_size, self.moving_norms > 0)
        return Course(
            schedule=train.schedule,
            warmup=train.warmup,
            epochs=train.epochs,
            steps_per_epoch=-(-len(cut) // train.accumulate),
        )

    @cached_property
    def continued(self) -> ContinuedCard | None:
        """The ended job that the run goes on from."""
        return continuing.plan(
            self.recipe,
            self.references,
            course=self.course,
            classes=self.source.classes,
            images=len(self.source.train),
            groups=self.table,
        )

    @cached_property
    def train_shape(self) -> tuple[int, int, int]:
        """The shape of one training image, (C, H, W)."""
        augment, seed = self.recipe.data.augment, self.recipe.train.seed
        return self._shape(TrainView(self.preprocess.steps, augment, seed))

    def _shape(self, view: EvalView | TrainView) -> tuple[int, int, int]:
        try:
            first = Sparing(self.source.train).picture(0)
        except BadImage as bad:
            raise _fault("data", str(bad)) from None
        channels, height, width = view(first, epoch=1, index=0).shape
        return channels, height, width

    # --- what must hold -------------------------------------------------------------------

    def _check_outputs(self) -> None:
        if "tensorboard" in self.recipe.outputs and not tensorboard.is_installed():
            place = self.recipe.outputs.index("tensorboard")
            what = (
                "needs the package `tensorboard`, which is missing where ftd runs; "
                "`pip install 'finetuned[tensorboard]'` there, or leave this output out"
            )
            raise _fault(f"outputs[{place}]", what)

    def _check_geometry(self) -> None:
        faults = check_geometry(self.recipe.data, self.preprocess.steps)
        if faults:
            raise RecipeFaults(faults)

    def _check_channels(self) -> None:
        name, channels = self.recipe.model.name, self.source.channels
        if name is not None and channels != 3:
            what = f"{name} takes 3 channels, {self.source.name} has {channels}; use a `cnn`"
            raise _fault("model.name", what)

    def _check_batches(self) -> None:
        size, images = self.recipe.train.batch_size, len(self.source.train)
        if size > images:
            what = f"is {size}, but there are {images} images to train on; use at most {images}"
            raise _fault("train.batch_size", what)
        if size == 1 and self.moving_norms:
            what = (
                "is 1, of which BatchNorm cannot take statistics; use at least 2, or train "
                "nothing of BatchNorm"
            )
            raise _fault("train.batch_size", what)

    def _check_warmup(self) -> None:
        warmup, course = self.recipe.train.warmup, self.course
        if warmup is not None and course.warmup_steps >= course.steps:
            unit = "epochs" if warmup.epochs is not None else "steps"
            what = f"takes {course.warmup_steps} steps, all that the run has is {course.steps}"
            raise _fault(f"train.warmup.{unit}", what)

    def _check_sizes(self) -> None:
        self._check_channels()
        self._check_geometry()
        for shape in (self._shape(EvalView(self.preprocess.steps)), self.train_shape):
            complaint = sizes.complaint(self.net, shape, trained=self.trained)
            if complaint is not None:
                raise _fault("data", complaint)


def _fault(field: str, description: str) -> RecipeFaults:
    return RecipeFaults([Fault(field=field, description=description)])
