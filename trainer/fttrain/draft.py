"""A plan in the making: its parts, and what must hold between them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from fttrain import balance, continuing
from fttrain.artifacts import tensorboard
from fttrain.balance import Counts, Weighting
from fttrain.data import audit, sources
from fttrain.data.audit import Audit
from fttrain.data.samples import Source
from fttrain.models import build, fit, timm_nets, weights, work, zoo
from fttrain.models.fit import Fit
from fttrain.models.weights import Lineage, Weights
from fttrain.models.zoo import Net
from fttrain.optim.schedules import Course
from fttrain.spec import stages
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.images import StatedPreprocess
from fttrain.spec.plan import ContinuedCard, GroupCard, PreprocessCard
from fttrain.spec.recipe import Recipe
from fttrain.stagedraft import StageDraft


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
        parts = "source", "start", "net", "fit", "preprocess", "weighting", "continued"
        checks: list[Callable[[], object]] = [partial(getattr, self, part) for part in parts]
        checks += [self._check_stages, self._check_outputs]
        faults: dict[Fault, None] = {}
        for check in checks:
            try:
                check()
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
    def macs(self) -> int:
        """The multiply-accumulates of one image's forward pass in evaluation."""
        return work.macs(self.net.module, self.stages[0].eval_shape)

    @cached_property
    def stages(self) -> tuple[StageDraft, ...]:
        """What each stage turns out to mean; without stages there is one."""
        flat = stages.of(self.recipe)
        return tuple(StageDraft(recipe=each, shared=self, is_part=len(flat) > 1) for each in flat)

    @property
    def table(self) -> list[GroupCard]:
        """The group table; with stages the rows of all, one stage after the other."""
        return [group for stage in self.stages for group in stage.table]

    @cached_property
    def trained(self) -> list[str]:
        """The names of all parameters that any stage trains, in the net's order."""
        chosen = {name for stage in self.stages for name in stage.trained}
        return [name for name, _ in self.net.module.named_parameters() if name in chosen]

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
    def continued(self) -> ContinuedCard | None:
        """The ended job that the run goes on from."""
        if self.recipe.train.continue_ is None:
            return None
        return continuing.plan(
            self.recipe,
            self.references,
            course=self.course,
            classes=self.source.classes,
            images=len(self.source.train),
            groups=self.table,
        )

    @property
    def course(self) -> Course:
        """The course of the learning rate; with stages that of the first."""
        return self.stages[0].course

    @property
    def train_shape(self) -> tuple[int, int, int]:
        """The shape of one training image, (C, H, W); with stages that of the first."""
        return self.stages[0].train_shape

    # --- what must hold -------------------------------------------------------------------

    def _check_outputs(self) -> None:
        if "tensorboard" in self.recipe.outputs and not tensorboard.is_installed():
            place = self.recipe.outputs.index("tensorboard")
            what = (
                "needs the package `tensorboard`, which is missing where ftd runs; "
                "`pip install 'finetuned[tensorboard]'` there, or leave this output out"
            )
            raise _fault(f"outputs[{place}]", what)

    def _check_stages(self) -> None:
        of_each = [list(stage.faults()) for stage in self.stages]
        found = [*stages.faults(self.recipe, of_each), *self._broken_states()]
        if found:
            raise RecipeFaults(found)

    def _broken_states(self) -> Iterator[Fault]:
        """Yield where the state of an optimizer cannot be kept from the stage before."""
        for place, stage in enumerate(self.recipe.train.stages):
            if stage.optimizer_state == "keep" and (why := self._why_not_kept(place)):
                yield Fault(field=f"train.stages[{place}].optimizer_state", description=why)

    def _why_not_kept(self, place: int) -> str:
        if place == 0:
            return "there is no stage before the first that an optimizer could be kept from"
        before, now = (self.stages[each] for each in (place - 1, place))
        was, is_now = (each.recipe.train.optimizer.plain for each in (before, now))
        if was.kind != is_now.kind:
            return f"the optimizer is {is_now.kind}, that of the stage before {was.kind}; reset it"
        for name in _KEPT_BY:
            one, other = (getattr(each.value, name, None) for each in (was, is_now))
            if bool(one) != bool(other):
                return (
                    f"{name} is {_said(other)}, that of the stage before {_said(one)}, so that "
                    "they keep other things; reset it, or have both alike"
                )
        with suppress(RecipeFaults):
            if not set(before.trained).intersection(now.trained):
                return "no parameter trains in both stages, so that nothing is kept; reset it"
        return ""


_KEPT_BY = ("amsgrad", "centered", "momentum")
"""Options that decide what an optimizer keeps."""


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def _fault(field: str, description: str) -> RecipeFaults:
    return RecipeFaults([Fault(field=field, description=description)])
