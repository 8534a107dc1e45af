"""How a run goes on where an earlier attempt was: from its last good checkpoint."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fttrain import environment, keeping, progress
from fttrain.events import CheckpointSaved
from fttrain.loop import Training
from fttrain.models import tensors
from fttrain.models.tensors import BadWeights, Contents
from fttrain.progress import Progress
from fttrain.spec import halving, rundir
from fttrain.spec import recipe as recipes
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from fttrain.spec.rundir import AttemptCard
from fttrain.state import checkpoint

Tell = Callable[[str], None]
_SHOWN = 6


class ResumeRefused(Exception):
    """A run that could only go on otherwise than its recipe allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A checkpoint in memory."""

    path: Path
    contents: Contents
    card: checkpoint.Card

    @classmethod
    def read(cls, path: Path) -> "Found":
        """Read it. Raises BadWeights where it is damaged or missing."""
        contents = tensors.read(path)
        return cls(path=path, contents=contents, card=checkpoint.Card.of(contents, path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """What a run goes on from."""

    folder: Path
    """The run directory that it is taken from."""
    last: Found
    best: Found | None
    """The best of the run so far; None: there is none yet."""
    inexact: str

    @property
    def card(self) -> checkpoint.Card:
        """What the checkpoint says of its run."""
        return self.last.card

    def progress(self, plan: Plan) -> list[Progress]:
        """Return how far the run has come, by repeat; the last is under way."""
        card = self.card
        return progress.retold(card.epochs, plan, repeat=card.repeat, step=card.step)

    def restore(self, training: Training) -> None:
        """Put everything back as it was: the next step is the one that would have come."""
        restore(training, self.last.contents, self.card)

    def carry(self, run_dir: Path, kept: keeping.Keeping) -> list[CheckpointSaved]:
        """Have a run directory hold what it goes on from; return what to tell."""
        earlier = self.folder
        for name in ("last", "best"):
            for path in (earlier / "checkpoints").glob(f"repeat-*/{name}.safetensors"):
                _link(path, run_dir / path.relative_to(earlier))
        told = []
        _link(self.last.path, keeping.place(run_dir, self.card.step))
        if self.best is not None and self.best is not self.last:
            _link(self.best.path, keeping.place(run_dir, self.best.card.step))
            _link(self.best.path, shown := run_dir / rundir.BEST)
            digest = self.best.contents.sha256
            told.append(keeping.saved(run_dir, shown, "best", self.best.card, digest))
            kept.shelve(self.best.card)
        return [*told, *kept.adopt(self.card, self.last.contents.sha256)]


def find(card: AttemptCard, recipe: Recipe, plan: Plan, tell: Tell) -> Resumption | None:
    """Return what an attempt goes on from; None where it begins anew.

    Files that an attempt was writing when it ended are removed.

    Raises:
        ResumeRefused: where the recipe wants an exact run, and this one could not be.
    """
    is_damaged = False
    for folder in map(Path, card.earlier):
        _remove_halves(folder / "checkpoints")
        for path in sorted((folder / rundir.STEPS).glob("*.safetensors"), reverse=True):
            try:
                last = Found.read(path)
                best = _best(last, folder)
            except BadWeights as bad:
                is_damaged = True
                tell(f"{bad}; the checkpoint before it is used")
                continue
            seed = recipe.train.seed + max(last.card.repeat - 1, 0)
            train = recipe.train.model_copy(update={"seed": seed})
            expected = recipe.model_copy(update={"train": train})
            if recipes.digest(last.card.recipe) != recipes.digest(expected):
                raise ResumeRefused(f"{path} is the checkpoint of another recipe")
            return _checked(folder, last, best, recipe, plan)
    if is_damaged:
        tell("no sound checkpoint is left: the job begins anew")
    return None


def begun_by(last: Found, recipe: Recipe, plan: Plan) -> Resumption:
    """Return how a run goes on from the last checkpoint of another, ended one.

    Raises:
        BadWeights: where the best one of that run is gone.
        ResumeRefused: as `find`.
    """
    folder = last.path.parent.parent
    return _checked(folder, last, _best(last, folder), recipe, plan)


def restore(training: Training, contents: Contents, card: checkpoint.Card) -> None:
    """Put everything back as it was when a checkpoint was kept.

    The net must be as it was built by recipe and plan: that holds what the checkpoint leaves out.
    """
    module = training.net.module
    judged = module.state_dict() | checkpoint.changed(contents)
    if training.ema is not None:
        training.ema.restore(judged, card.averaged)
    module.load_state_dict(judged | checkpoint.live(contents))
    state = checkpoint.optimizer_state(contents)
    checkpoint.restore_optimizer(module, training.optimizer, state)
    training.precision.restore(card.scaler)


def _best(last: Found, folder: Path) -> Found | None:
    """Return the best of the run when a checkpoint was kept. Raises BadWeights where it is gone."""
    best = progress.best_of(last.card.epochs)
    if best is None:
        return None
    if best.step == last.card.step and last.card.partial is None:
        return last
    return Found.read(keeping.place(folder, best.step))


def _checked(
    folder: Path, last: Found, best: Found | None, recipe: Recipe, plan: Plan
) -> Resumption:
    card = last.card
    differences = "; ".join(_differences(card, plan))
    if differences and recipe.train.resume == "exact":
        raise ResumeRefused(f"the run could not go on exactly: {differences}")
    told = [each for each in (card.inexact, differences) if each]
    return Resumption(folder=folder, last=last, best=best, inexact="; ".join(dict.fromkeys(told)))


def _differences(card: checkpoint.Card, plan: Plan) -> Iterator[str]:
    """Yield what decides about the last bit and is another now."""
    now = environment.now(environment.accelerator(plan.device))
    if card.environment is not None:
        for name in ("torch", "torchvision", "cpu_capability", "accelerator", "pillow", "timm"):
            was, is_now = getattr(card.environment, name), getattr(now, name)
            if was != is_now:
                yield f"{_NAMES.get(name, name)} was {was or 'none'}, is {is_now or 'none'}"
    was, is_now = set(card.instructions.split()), set(environment.instructions().split())
    if was != is_now:
        yield f"vector instructions differ in {_shown(was ^ is_now)}"
    is_halved = card.plan.micro_batch != plan.micro_batch
    if is_halved:
        yield halving.difference(plan)
    for name in _PLANNED:
        before, after = getattr(card.plan, name), getattr(plan, name)
        if before != after and not (is_halved and name == "chunk"):
            yield f"{name} was {before}, is {after}"


_PLANNED = (
    "device", "threads", "layout", "precision", "chunk", "batch_size", "accumulate",
)  # fmt: skip
_NAMES = {"cpu_capability": "instruction set"}


def _shown(flags: set[str]) -> str:
    listed = sorted(flags)
    return ", ".join(listed[:_SHOWN]) + (", ..." if len(listed) > _SHOWN else "")


def _link(file: Path, path: Path) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    rundir.link_aside(file, path)


def _remove_halves(folder: Path) -> None:
    """Remove what an attempt was writing when it was killed; nobody writes there any more."""
    for half in folder.rglob(".*.safetensors.*"):
        half.unlink(missing_ok=True)
