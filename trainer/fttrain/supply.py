"""The batches of an attempt: images, or what frozen blocks have made of them once."""

import itertools
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from fttrain import agenda, feeding
from fttrain.albums import Albums
from fttrain.cache.features import Features, Passing
from fttrain.cache.room import Place
from fttrain.data.samples import Source
from fttrain.data.sparing import Sparing
from fttrain.data.stream import Batch, Stream, Task
from fttrain.data.view import EvalView, StagedView
from fttrain.data.ways import Ways
from fttrain.loop import Lead
from fttrain.spec import itinerary
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from fttrain.spec.rundir import AttemptCard
from fttrain.staging import Staging

OWN = "cache"
"""Folder of a run directory, where there is none for all jobs."""


def place(run_dir: Path, card: AttemptCard) -> Place:
    """Return where an attempt keeps what it makes of images."""
    if card.cache:
        return Place(root=Path(card.cache), most_bytes=card.cache_bytes, is_shared=True)
    return Place(root=run_dir / OWN, most_bytes=shutil.disk_usage(run_dir).free // 4)


@dataclass(slots=True, kw_only=True)
class Supply:
    """Streams of images, and features in their place. What it begins ends with the stack."""

    recipe: Recipe
    plan: Plan
    source: Source
    begin: agenda.Place
    """Where the training goes on."""
    place: Place
    known: dict[str, str]
    """Images that cannot be read, by name, and why; others join them."""
    tell: Callable[[str], None]
    stack: ExitStack
    staging: Staging | None = None
    """The training, once it is built."""
    batches: Iterator[Batch] = field(init=False)
    """All that will be trained on, in order. Images begin to be loaded at once; features are made
    when the first is asked for."""
    plain: Stream | None = field(init=False, default=None)
    """The training images as they are, where statistics are taken of them."""
    _lead: Lead = field(init=False)
    _spared: Sparing = field(init=False)
    _train: Stream = field(init=False)
    _val: Stream = field(init=False)
    _passings: dict[int, tuple[Passing, Features] | None] = field(init=False, default_factory=dict)
    """By stage: what keeps features, and those of the images to validate on."""

    def __post_init__(self) -> None:
        self._spared = Sparing(self.source.train)
        albums = Albums.of(self.recipe, self.plan, self.source, self.place)
        if albums.lacks_room:
            self.tell(albums.lacks_room)
        workers = self._workers(lacks_room=bool(albums.lacks_room))
        view = feeding.view(self.recipe, self.plan)
        train = Stream(self._spared, view, workers, albums.train(self._spared))
        self._train = self.stack.enter_context(train)
        val = Stream(self.source.val, self._eval_view, workers, albums.plain(self.source.val))
        self._val = self.stack.enter_context(val)
        if self.recipe.train.bn == "recalibrate":
            plain = Stream(self._spared, self._eval_view, workers, albums.plain(self._spared))
            self.plain = self.stack.enter_context(plain)
        self._lead = agenda.lead(self.recipe, self.plan, self.source.train.labels, self.begin)
        if not all(_is_kept(self.plan, epoch) for epoch in self._epochs):
            # Before those that train: of several stacks that a stall leaves, theirs is the last.
            self._val.begin()
            if self.plain is not None:
                self.plain.begin()
        self.batches = self._begun()

    @property
    def lead(self) -> Lead:
        """What is made again before the first batch. Known once the training stands there."""
        place = itinerary.of_epoch(self.plan, self.begin.epoch)
        # What is kept knows nothing of chunks.
        is_needless = self._lead.batches > 0 and self._passing(place) is not None
        return Lead() if is_needless else self._lead

    def validation(self, tasks: Iterable[Task]) -> Iterator[Batch]:
        """Return batches to validate on."""
        assert self.staging is not None
        passing = self._passing(self.staging.place)
        return passing[1].run(tasks) if passing is not None else self._val.run(tasks)

    def tell_of_room(self, epoch: int) -> None:
        """Tell what an epoch that begins makes again, as there was no room for it before."""
        if _is_kept(self.plan, epoch):
            passing = self._passings.get(itinerary.of_epoch(self.plan, epoch))
            what, lacks_room = "features are made", passing and passing[0].kept.lacks_room
        else:
            what, lacks_room = "images are decoded", self._train.lacks_room or self._val.lacks_room
        if lacks_room:
            self.tell(
                f"some {what} in each epoch: there is no more room in {self.place.share}, or on "
                "the disk"
            )

    @property
    def _epochs(self) -> range:
        """All that are ahead."""
        return range(self.begin.epoch, self.plan.epochs + 1)

    def _workers(self, *, lacks_room: bool) -> int:
        """Return how many loader processes each stream has."""
        planned = self.plan.loader_workers
        # The plan may have counted on images that are kept; who decodes should not wait.
        return max(planned, 1) if lacks_room and self.recipe.data.workers is None else planned

    def _begun(self) -> Iterator[Batch]:
        plan, labels = self.plan, self.source.train.labels
        tasks = agenda.training(self.recipe, plan, labels, self.begin, self._lead.batches)
        if any(_is_kept(plan, epoch) for epoch in self._epochs):
            return self._legs(tasks)
        return self._images(tasks)

    def _images(self, tasks: Iterable[Task]) -> Iterator[Batch]:
        return self._heeding(self._train.run(tasks))

    def _legs(self, tasks: Iterable[Task]) -> Iterator[Batch]:
        """Yield batches stage by stage; each begins when its training is built."""
        needless = self._lead.batches
        stages = itertools.groupby(tasks, lambda task: itinerary.of_epoch(self.plan, task.epoch))
        for number, leg in stages:
            passing = self._passing(number)
            if passing is None:
                yield from self._images(leg)
            else:
                features = passing[0].features(
                    self._spared, self._ways(number), self._heeding, until=self._until(number)
                )
                yield from features.run(itertools.islice(leg, needless, None))
            needless = 0

    def _until(self, number: int) -> int:
        """Return the last epoch of a stage where each sees all images; 0 where they leave some."""
        if self.plan.sampling_weights or self.recipe.data.repeats > 1:
            return 0
        return max(each for each in self._epochs if itinerary.of_epoch(self.plan, each) == number)

    def _passing(self, number: int) -> tuple[Passing, Features] | None:
        """Return what keeps the features of the stage under way; None where they are not kept."""
        if number not in self._passings:
            for earlier in self._passings.values():
                if earlier is not None:
                    earlier[0].stack.close()
            self._passings[number] = self._begun_passing(number)
        return self._passings[number]

    def _begun_passing(self, number: int) -> tuple[Passing, Features] | None:
        card = self.plan.stages[number] if self.plan.stages else self.plan
        if card.features is None or card.features.views == 0:
            return None
        assert self.staging is not None
        assert self.staging.place == number
        side = self._spared.picture(0)
        shapes = self._eval_view(side).shape, self._ways(number).view(side, epoch=1, index=0).shape
        begun = Passing.begin(
            self.staging.training, self.plan, self.place, shapes=dict.fromkeys(shapes)
        )
        if begun is None:
            return None
        ways = Ways.of(self._eval_view)
        assert ways is not None
        passing = self.stack.enter_context(begun)
        return passing, passing.features(self.source.val, ways, iter)

    def _ways(self, number: int) -> Ways:
        view = feeding.view(self.recipe, self.plan)
        ways = Ways.of(view.views[number] if isinstance(view, StagedView) else view)
        assert ways is not None, "the plan would say that none can be kept"
        return ways

    def _heeding(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        return feeding.heeding(
            batches, self._spared, self.recipe, self.plan, known=self.known, tell=self.tell
        )

    @property
    def _eval_view(self) -> EvalView:
        return EvalView(self.plan.preprocess.steps)


def _is_kept(plan: Plan, epoch: int) -> bool:
    """Return whether what frozen blocks make in an epoch is kept."""
    features = itinerary.card(plan, epoch).features
    return features is not None and features.views > 0
