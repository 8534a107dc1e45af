"""What a run keeps of its epochs: checkpoints, by which it can be used and taken up again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from fttrain import assembly, events
from fttrain.events import EpochEnded
from fttrain.journal import Journal
from fttrain.loop import Training
from fttrain.models import tensors
from fttrain.spec import rundir
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from fttrain.state import checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """Where checkpoints go, and what they say of their run."""

    run_dir: Path
    repeat: int
    """0 where the recipe is not repeated. Repeats keep theirs in folders of their own, too."""
    job_name: str
    recipe: Recipe
    plan: Plan
    journal: Journal

    def save(
        self,
        training: Training,
        live: Mapping[str, Tensor],
        *,
        ended: EpochEnded,
        best: EpochEnded | None,
    ) -> None:
        """Keep the net as it is judged, and all that the next step needs.

        `live` are the tensors that training goes on with, where the net holds others meanwhile.
        """
        card = checkpoint.Card(
            epoch=ended.epoch,
            step=ended.step,
            best_epoch=best.epoch if best is not None else None,
            best=best.val if best is not None else None,
            seed=self.recipe.train.seed,
            job_name=self.job_name,
            recipe=self.recipe,
            plan=self.plan,
            base=self._base(training),
            averaged=training.ema.averaged if training.ema is not None else 0,
            scaler=training.precision.state(),
        )
        self._write("last", rundir.LAST, training, live, card)
        if ended is best:
            self._write("best", rundir.BEST, training, live, card, is_told=ended.best)

    def _write(
        self,
        which: Literal["last", "best"],
        path: str,
        training: Training,
        live: Mapping[str, Tensor],
        card: checkpoint.Card,
        *,
        is_told: bool = True,
    ) -> None:
        """Write a file; `is_told`: it is this one of the whole run, not of its repeat alone."""
        shown = self.run_dir / path
        place = shown.parent / f"repeat-{self.repeat}" / shown.name if self.repeat else shown
        net, optimizer = training.net.module, training.optimizer
        digest = checkpoint.write(place, net, optimizer, card, live=live)
        if not is_told:
            return
        if place != shown:
            rundir.link_aside(place, shown)
        self.journal.write(
            events.CheckpointSaved(
                which=which,
                epoch=card.epoch,
                step=card.step,
                path=path,
                sha256=digest,
            )
        )

    def _base(self, training: Training) -> checkpoint.Base | None:
        """Return what training leaves as it was in the file of weights."""
        weights = self.plan.weights
        if weights.path is None or weights.sha256 is None:
            return None
        changing = assembly.changing(self.recipe, self.plan, training.net)
        apart = changing | set(weights.tensors_new)
        names = tuple(name for name in training.net.module.state_dict() if name not in apart)
        if not names:
            return None
        return checkpoint.Base(path=weights.path, sha256=weights.sha256, names=names)


def restore(training: Training, path: Path) -> checkpoint.Card:
    """Put everything back as it was when a checkpoint was kept: the next step is the one after.

    Raises:
        BadWeights: where the file, or the one that it builds on, is missing, damaged or another.
    """
    contents = tensors.read(path)
    judged, card = checkpoint.complete(path, contents)
    training.net.module.load_state_dict(judged | checkpoint.live(contents))
    state = checkpoint.optimizer_state(contents)
    checkpoint.restore_optimizer(training.net.module, training.optimizer, state)
    if training.ema is not None:
        training.ema.restore(judged, card.averaged)
    training.precision.restore(card.scaler)
    return card
