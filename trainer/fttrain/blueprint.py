"""From a recipe to the blueprint of its net; images and weights are used where they are there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from fttrain import plan
from fttrain.data import sources
from fttrain.data.decode import BadImage
from fttrain.data.samples import Source
from fttrain.data.sparing import Sparing
from fttrain.data.view import EvalView
from fttrain.models import build, known, sizes, timm_nets, weights, zoo
from fttrain.models.known import Published
from fttrain.models.tree import tree
from fttrain.models.weights import Lineage, Weights
from fttrain.models.zoo import Net
from fttrain.optim import groups
from fttrain.spec import rundir, stages
from fttrain.spec.blueprint import Blueprint, BlueprintGroup
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.images import Preprocess
from fttrain.spec.plan import GroupCard, Means
from fttrain.spec.recipe import Recipe

_SIDE = 224
_CLASSES = 2


def draw(recipe: Recipe, *, references: Mapping[str, str]) -> Blueprint:
    """Return the blueprint of a recipe's net. Nothing is downloaded.

    What is not known is said in its notes, and something is taken in its place.

    Raises:
        RecipeFaults: where there is no such net, selectors match nothing, or the images do not go
            through it.
    """
    return _Sketch(recipe=recipe, references=references).blueprint()


def memoised(
    recipe: Recipe, *, references: Mapping[str, str], means: Means, cache: Path
) -> Blueprint:
    """Do as `draw`, or return what it made before of the same recipe and files."""
    try:
        digest = plan.digest_inputs(recipe, references=references, means=means)
    except RecipeFaults:
        # Files are missing: whether they will be the same is not to be told.
        return draw(recipe, references=references)
    place = cache / f"blueprint-{digest}.json"
    try:
        return Blueprint.model_validate_json(place.read_text())
    except (FileNotFoundError, ValidationError):
        made = draw(recipe, references=references)
        cache.mkdir(parents=True, exist_ok=True)
        rundir.write_aside(place, made.model_dump_json().encode())
        return made


@dataclass(frozen=True, kw_only=True)
class _Sketch:
    """What is found out on the way. What keeps it from being known is noted."""

    recipe: Recipe
    references: Mapping[str, str]
    notes: list[str] = field(default_factory=list)

    def blueprint(self) -> Blueprint:
        """Put it all together."""
        shape, net = self.shape, self.net
        cards = self.groups
        complaint = sizes.complaint(net, shape, trained=[n for card in cards for n in card.names])
        if complaint is not None:
            raise RecipeFaults([Fault(field="data", description=complaint)])
        members: dict[str, list[int]] = {}
        for place, card in enumerate(cards):
            for name in card.names:
                members.setdefault(name, []).append(place)
        root = tree(net, shape, members)
        return Blueprint(
            net=net.name,
            input=shape,
            classes=self.classes,
            parameters=root.parameters,
            trained=root.trained,
            macs=root.macs,
            groups=[
                BlueprintGroup(
                    name=card.name,
                    parameters=card.parameters,
                    lr=card.lr,
                    weight_decay=card.weight_decay,
                )
                for card in cards
            ],
            notes=self.notes,
            root=root,
        )

    @cached_property
    def source(self) -> Source | None:
        """The images; None where they are not there."""
        try:
            return sources.load(self.recipe.data, self.references)
        except RecipeFaults as found:
            self.notes.append(f"images are not known: {_told(found)}")
            return None

    @cached_property
    def start(self) -> Weights | None:
        """The weights; None where there are none, or not yet."""
        cache = weights.published_cache()
        try:
            path = weights.find(self.recipe.model, self.references, cache=cache)
            is_published = not self.recipe.model.weights.startswith(("file:", "job:"))
            if path is None or (is_published and not path.exists()):
                return None  # to read it would fetch it
            return weights.read(self.recipe.model, self.references, cache=cache)
        except RecipeFaults as found:
            self.notes.append(f"weights are not known: {_told(found)}")
            return None

    @cached_property
    def published(self) -> Published | None:
        """The weights that torchvision publishes and the recipe names."""
        name = self.recipe.model.name
        if name is None or not zoo.is_published(name):
            return None
        members = {member.member: member for member in known.published(name)}
        return members.get(self.recipe.model.weights)

    @property
    def lineage(self) -> Lineage | None:
        """Where the weights come from."""
        return self.start.lineage if self.start is not None else None

    @cached_property
    def classes(self) -> int:
        """How many there are."""
        if self.source is not None:
            return len(self.source.classes)
        theirs = self.lineage or self.published
        count = len(theirs.classes) if theirs is not None else _CLASSES
        whose = ", those of the weights" if theirs is not None else ""
        self.notes.append(f"classes are not known: counted with {count:,}{whose}")
        return count

    @cached_property
    def net(self) -> Net:
        """The net, without values."""
        return build.skeleton(
            self.recipe.model,
            classes=self.classes,
            channels=self._channels,
            tensors=self.start.tensors if self.start is not None else None,
        )

    @cached_property
    def groups(self) -> list[GroupCard]:
        """The group tables of all stages."""
        flat = stages.of(self.recipe)
        return [
            card.model_copy(update={"name": f"stage {number}: {card.name}"}) if flat[1:] else card
            for number, stage in enumerate(flat, start=1)
            for card in groups.table(self.net, stage.train)
        ]

    @cached_property
    def preprocess(self) -> Preprocess | None:
        """How an image becomes the net's input, as far as it is said."""
        stated = self.recipe.data.preprocess
        if stated is not None and (stated.mean or self._known_preprocess):
            return stated.completed(self._known_preprocess)
        return self._known_preprocess

    @property
    def _known_preprocess(self) -> Preprocess | None:
        if self.lineage is not None:
            return self.lineage.preprocess
        if self.published is not None:
            return self.published.preprocess
        if self.source is not None and self.source.preprocess is not None:
            return self.source.preprocess
        name = self.recipe.model.name or ""
        return timm_nets.preprocess(name) if name.startswith(zoo.TIMM) else None

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """The shape of an image that is evaluated on, (C, H, W)."""
        steps = self.preprocess
        if steps is not None and steps.crop is not None:
            return self._channels, steps.crop, steps.crop
        if steps is not None and (seen := next(self._first_image(steps), None)) is not None:
            return seen
        side = self.net.side or self._least_side()
        self.notes.append(f"the size of images is not known: counted at {side} × {side} pixels")
        return self._channels, side, side

    @property
    def _channels(self) -> int:
        return self.source.channels if self.source is not None else self.recipe.data.channels

    def _least_side(self) -> int:
        """Return what is usual, or else the least that the net takes."""
        trained = [name for card in self.groups for name in card.names]
        if sizes.complaint(self.net, (self._channels, _SIDE, _SIDE), trained=trained) is None:
            return _SIDE
        return sizes.least_side(self.net, channels=self._channels, trained=trained) or _SIDE

    def _first_image(self, steps: Preprocess) -> Iterator[tuple[int, int, int]]:
        if self.source is None:
            return
        try:
            picture = Sparing(self.source.train).picture(0)
        except BadImage as bad:
            self.notes.append(f"the first image cannot be read: {bad}")
            return
        channels, height, width = EvalView(steps)(picture, epoch=1, index=0).shape
        yield channels, height, width


def _told(found: RecipeFaults) -> str:
    first = found.faults[0]
    more = f" (and {len(found.faults) - 1} more)" if len(found.faults) > 1 else ""
    return f"{first.field} {first.description}{more}"
