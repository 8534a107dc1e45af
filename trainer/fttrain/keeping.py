"""What a run keeps of itself: checkpoints, by which it can be used and taken up again."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from torch import Tensor

from fttrain import assembly, environment, progress
from fttrain.events import CheckpointSaved
from fttrain.journal import Clock, StepLog
from fttrain.loop import Training
from fttrain.progress import Progress
from fttrain.spec import rundir
from fttrain.spec.plan import Environment, Plan
from fttrain.spec.recipe import Recipe
from fttrain.spec.rundir import AttemptCard
from fttrain.state import checkpoint
from fttrain.state.checkpoint import Partial

Which = Literal["last", "best"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a run is, beside its tensors."""

    progress: Progress
    before: tuple[Progress, ...]
    """The repeats that are done."""
    log: StepLog
    spared: Mapping[str, str]
    partial: Partial | None
    """The epoch under way; None: the last one is evaluated."""


@dataclass(slots=True, kw_only=True)
class Keeping:
    """Where checkpoints go, when, and what they say of their run."""

    run_dir: Path
    attempt: AttemptCard
    plan: Plan
    inexact: str = ""
    """Why the run may differ from an unbroken one."""
    last: str = ""
    """What the newest holds: `epoch 3`, `step 17`; empty: there is none."""
    clock: Clock = time.monotonic
    _saved_at: float = field(init=False)
    _environment: Environment = field(init=False)
    _shelf: dict[int, int | None] = field(init=False, default_factory=dict)
    """The checkpoints that lie there, by step; and the step of the best when each was made."""

    def __post_init__(self) -> None:
        self._saved_at = self.clock()
        self._environment = environment.now(environment.accelerator(self.plan.device))

    def is_due(self, recipe: Recipe, step: int) -> bool:
        """Return whether a checkpoint is to be kept amid an epoch, after so many steps."""
        rule = recipe.train.checkpoint
        if rule.steps is not None and step % rule.steps == 0:
            return True
        return rule.minutes is not None and self.clock() - self._saved_at >= rule.minutes * 60

    def shelve(self, card: checkpoint.Card) -> None:
        """Know of a checkpoint that lies in its place."""
        best = progress.best_of(card.epochs)
        self._shelf.pop(card.step, None)
        self._shelf[card.step] = best.step if best is not None else None

    def adopt(self, card: checkpoint.Card, digest: str) -> list[CheckpointSaved]:
        """Have a checkpoint that lies in its place be the last one; return what to tell."""
        self.shelve(card)
        self.last = f"epoch {card.epoch}" if card.partial is None else f"step {card.step}"
        return self._link(card, digest)

    def save(
        self, training: Training, live: Mapping[str, Tensor], recipe: Recipe, standing: Standing
    ) -> list[CheckpointSaved]:
        """Keep the net as it is judged, and all that the next step needs; return what to tell.

        `live` are the tensors that training goes on with, where the net holds others meanwhile.

        Raises:
            OSError: where there is no room, or the disk fails.
        """
        card = self._card(training, recipe, standing)
        place = self._place(card.step)
        net, optimizer = training.net.module, training.optimizer
        digest = checkpoint.write(place, net, optimizer, card, live=live)
        told = self.adopt(card, digest)
        self._tidy(recipe.train.checkpoint.keep)
        self._saved_at = self.clock()
        return told

    def _card(self, training: Training, recipe: Recipe, standing: Standing) -> checkpoint.Card:
        now, log = standing.progress, standing.log
        best = now.best
        trained = [e.epoch for e in now.epochs if e.train is not None]
        return checkpoint.Card(
            epoch=trained[-1] if trained else now.epochs_before(self.plan),
            step=now.steps_before(self.plan) + now.step,
            best_epoch=best.epoch if best is not None else None,
            best=best.val if best is not None else None,
            seed=recipe.train.seed,
            job_name=self.attempt.name,
            recipe=recipe,
            plan=self.plan,
            base=self._base(training, recipe),
            averaged=training.ema.averaged if training.ema is not None else 0,
            scaler=training.precision.state(),
            attempt=self.attempt.attempt,
            repeat=now.repeat,
            epochs=[ended for each in (*standing.before, now) for ended in each.epochs],
            partial=standing.partial,
            images=log.images,
            data_wait_s=log.data_wait_s,
            spared=dict(standing.spared),
            environment=self._environment,
            instructions=environment.instructions(),
            inexact=self.inexact,
        )

    def _link(self, card: checkpoint.Card, digest: str) -> list[CheckpointSaved]:
        """Have the names that users know mean a checkpoint, where it is what they say."""
        place, ended = self._place(card.step), card.epochs[-1] if card.epochs else None
        is_edge = card.partial is None and ended is not None
        names: list[Which] = ["last"]
        if is_edge and ended is not None and card.best_epoch == ended.epoch:
            names.append("best")
        told = []
        for which in names:
            shown = self.run_dir / (rundir.LAST if which == "last" else rundir.BEST)
            if card.repeat:
                own = shown.parent / f"repeat-{card.repeat}" / shown.name
                own.parent.mkdir(exist_ok=True)
                rundir.link_aside(place, own)
            # The best of a repeat need not be that of the run.
            if which == "last" or (ended is not None and ended.best):
                rundir.link_aside(place, shown)
                told.append(saved(self.run_dir, shown, which, card, digest))
        return told

    def _tidy(self, keep: int) -> None:
        """Leave the newest, and the best of each of them: it may be all that is sound."""
        newest = list(self._shelf)[-keep:]
        needed = {*newest, *(self._shelf[step] for step in newest)}
        for step in [step for step in self._shelf if step not in needed]:
            self._place(step).unlink(missing_ok=True)
            del self._shelf[step]

    def _place(self, step: int) -> Path:
        return place(self.run_dir, step)

    def _base(self, training: Training, recipe: Recipe) -> checkpoint.Base | None:
        """Return what training leaves as it was in the file of weights."""
        weights = self.plan.weights
        if weights.path is None or weights.sha256 is None:
            return None
        changing = assembly.changing(recipe, self.plan, training.net)
        apart = changing | set(weights.tensors_new)
        names = tuple(name for name in training.net.module.state_dict() if name not in apart)
        if not names:
            return None
        return checkpoint.Base(path=weights.path, sha256=weights.sha256, names=names)


def place(run_dir: Path, step: int) -> Path:
    """Return where the checkpoint of a step lies."""
    return run_dir / rundir.STEPS / f"{step:09}.safetensors"


def saved(
    run_dir: Path, path: Path, which: Which, card: checkpoint.Card, digest: str
) -> CheckpointSaved:
    """Return what to tell of a checkpoint."""
    return CheckpointSaved(
        which=which,
        epoch=card.epoch,
        step=card.step,
        path=str(path.relative_to(run_dir)),
        sha256=digest,
    )
