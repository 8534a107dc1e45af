"""One attempt to carry out a plan: train, evaluate, keep the best, export it."""

import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import numpy as np

from fttrain import assembly, events, exporting, loop, process, report
from fttrain.assembly import InputsChanged
from fttrain.data import order, sources
from fttrain.data.order import Indices
from fttrain.data.samples import Labels, Samples, Source
from fttrain.data.stream import Batch, Stream, Task
from fttrain.data.view import EvalView, TrainView
from fttrain.events import EpochEnded, PhaseName
from fttrain.journal import Journal, StepLog
from fttrain.loop import NonFiniteLoss, Training
from fttrain.reserve import Reserve
from fttrain.results.verdicts import Verdicts
from fttrain.spec import faults, rundir
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from fttrain.spec.rundir import AttemptCard
from fttrain.state import checkpoint


class Diverged(Exception):
    """A loss that is no number, with where it happened and what is left."""


@dataclass(slots=True, kw_only=True)
class Attempt:
    """An attempt under way."""

    run_dir: Path
    card: AttemptCard
    journal: Journal
    recipe: Recipe
    plan: Plan
    log: StepLog
    reserve: Reserve | None = None
    step: int = 0
    """Steps finished."""
    best: EpochEnded | None = None
    epochs: list[EpochEnded] = field(default_factory=list)

    @classmethod
    def prepare(
        cls, run_dir: Path, card: AttemptCard, journal: Journal, reserve: Reserve | None
    ) -> Self:
        """Read recipe and plan."""
        plan = Plan.model_validate_json((run_dir / rundir.PLAN).read_text())
        return cls(
            run_dir=run_dir,
            card=card,
            journal=journal,
            recipe=faults.parse((run_dir / rundir.RECIPE).read_text()),
            plan=plan,
            log=StepLog(journal, epochs=plan.epochs, steps=plan.steps),
            reserve=reserve,
        )

    def complete(self) -> None:
        """Train to the end and export the best.

        Raises:
            InputsChanged, BadWeights, BadImage: where the inputs are not as planned.
            Diverged: where a loss is no number.
        """
        self._turn_to("setup", epoch=0)
        process.settle(threads=self.plan.threads, device=self.plan.device)
        source = self._source()
        preprocess, workers = self.plan.preprocess.steps, self.plan.loader_workers
        train_view = TrainView(preprocess, self.recipe.data.augment, self.recipe.train.seed)
        with (
            Stream(source.train, train_view, workers) as train_stream,
            Stream(source.val, EvalView(preprocess), workers) as val_stream,
        ):
            # Loading begins here: when the net is built, the first batch is there.
            batches = train_stream.run(self._train_tasks(source.train.labels))
            if self.reserve is not None:
                # Not earlier: a forked loader would share it.
                self.reserve.release(keep=process.working_set_bytes(self.plan))
            self._introduce()
            training = assembly.training(self.recipe, self.plan)
            if self.recipe.train.evaluate_first:
                self._untrained(training, source, val_stream)
            for epoch in range(1, self.plan.epochs + 1):
                self._epoch(epoch, training, batches, source, val_stream)
                if rundir.is_to_finish(self.run_dir):
                    break
        self._export(training)

    def _introduce(self) -> None:
        for line in report.plan_lines(self.plan):
            report.say(line)
        for notice in self.plan.notices:
            self.journal.write(events.Notice(message=notice))

    def _turn_to(self, phase: PhaseName, *, epoch: int) -> None:
        self.journal.write(events.PhaseChanged(phase=phase, epoch=epoch))

    # --- data -----------------------------------------------------------------------------

    def _source(self) -> Source:
        try:
            source = sources.load(self.recipe.data, self.card.references)
        except RecipeFaults as found:
            raise InputsChanged(f"the data has changed since the plan: {found}") from None
        if source.fingerprint != self.plan.data.fingerprint:
            raise InputsChanged(f"the images of {source.name} have changed since the plan")
        return source

    def _train_tasks(self, labels: Labels) -> Iterator[Task]:
        for epoch in range(1, self.plan.epochs + 1):
            for indices in self._batches(epoch, labels):
                yield epoch, indices

    def _batches(self, epoch: int, labels: Labels) -> list[Indices]:
        """Return the batches of an epoch; the run may end before they do."""
        plan = self.plan
        chosen = self._order(epoch, labels)
        cut = order.batches(chosen, plan.batch_size, plan.batch_norm_train > 0)
        steps_left = plan.steps - (epoch - 1) * plan.steps_per_epoch
        return cut[: steps_left * plan.accumulate]

    def _order(self, epoch: int, labels: Labels) -> Indices:
        """Return which images an epoch sees, in order."""
        seed, weights = self.recipe.train.seed, self.plan.sampling_weights
        if weights:
            return order.weighted_order(np.array(weights)[labels], seed, epoch)
        return order.epoch_order(len(labels), seed, epoch)

    # --- epochs ---------------------------------------------------------------------------

    def _epoch(
        self,
        epoch: int,
        training: Training,
        batches: Iterator[Batch],
        source: Source,
        val_stream: Stream,
    ) -> None:
        begun = time.monotonic()
        self._turn_to("training", epoch=epoch)
        self.log.begin(epoch=epoch)
        count = len(self._batches(epoch, source.train.labels))
        lrs = self._train(training, itertools.islice(batches, count), epoch)
        train, train_s = self.log.tally, time.monotonic() - begun
        val = self._evaluate(epoch, training, source.val, val_stream)
        ended = EpochEnded(
            epoch=epoch,
            step=self.step,
            train=train.score(),
            val=val.score(),
            lrs=lrs,
            images_per_second=train.count / train_s,
            memory_bytes=process.peak_memory_bytes(),
            seconds=time.monotonic() - begun,
            best=self.best is None or val.accuracy > self.best.val.accuracy,
        )
        self._end(ended)
        self._save(ended, training)

    def _train(self, training: Training, batches: Iterator[Batch], epoch: int) -> list[float]:
        lrs: list[float] = []
        try:
            for step in loop.train(training, self.log.timed(batches), first_step=self.step):
                self.step, lrs = step.step + 1, step.lrs
                self.log.add(step)
        except NonFiniteLoss as diverged:
            raise self._diverged(f"{diverged}", epoch, diverged.lrs) from None
        finally:
            self.log.flush()
        return lrs

    def _evaluate(
        self, epoch: int, training: Training, samples: Samples, stream: Stream
    ) -> Verdicts:
        self._turn_to("evaluating", epoch=epoch)
        every = np.arange(len(samples), dtype=np.int64)
        tasks = [(epoch, part) for part in order.batches(every, self.plan.chunk, False)]
        found = loop.evaluate(training, stream.run(tasks))
        if not math.isfinite(found.loss):
            what = f"the validation loss is {found.loss} after step {self.step}"
            raise self._diverged(what, epoch, training.rates(max(self.step - 1, 0)))
        return found

    def _untrained(self, training: Training, source: Source, val_stream: Stream) -> None:
        begun = time.monotonic()
        val = self._evaluate(0, training, source.val, val_stream)
        self._end(
            EpochEnded(
                epoch=0,
                step=0,
                train=None,
                val=val.score(),
                lrs=training.rates(0),
                images_per_second=0.0,
                memory_bytes=process.peak_memory_bytes(),
                seconds=time.monotonic() - begun,
                best=False,
            )
        )

    def _end(self, ended: EpochEnded) -> None:
        self.epochs.append(ended)
        if ended.best:
            self.best = ended
        self.journal.write(ended)
        report.say(report.epoch_line(ended, epochs=self.plan.epochs))

    def _diverged(self, what: str, epoch: int, lrs: list[float]) -> Diverged:
        rates = ", ".join(f"{lr:g}" for lr in lrs)
        trained = [ended.epoch for ended in self.epochs if ended.train is not None]
        left = f"{rundir.LAST} holds epoch {trained[-1]}" if trained else "no checkpoint yet"
        return Diverged(
            f"{what} of {self.plan.steps} (epoch {epoch}, learning rate {rates}); {left}"
        )

    # --- what stays -----------------------------------------------------------------------

    def _save(self, ended: EpochEnded, training: Training) -> None:
        assert self.best is not None
        self._turn_to("checkpointing", epoch=ended.epoch)
        card = checkpoint.Card(
            epoch=ended.epoch,
            step=ended.step,
            best_epoch=self.best.epoch,
            best=self.best.val,
            seed=self.recipe.train.seed,
            job_name=self.card.name,
            recipe=self.recipe,
            plan=self.plan,
            base=self._base(training),
        )
        self._write("last", rundir.LAST, training, card)
        if ended.best:
            self._write("best", rundir.BEST, training, card)

    def _write(
        self, which: Literal["last", "best"], path: str, training: Training, card: checkpoint.Card
    ) -> None:
        place = self.run_dir / path
        digest = checkpoint.write(place, training.net.module, training.optimizer, card)
        self.journal.write(
            events.CheckpointSaved(
                which=which, epoch=card.epoch, step=card.step, path=path, sha256=digest
            )
        )

    def _base(self, training: Training) -> checkpoint.Base | None:
        """Return what training leaves as it was in the file of weights."""
        weights = self.plan.weights
        if weights.path is None or weights.sha256 is None:
            return None
        trained = {name for group in self.plan.groups for name in group.names}
        apart = checkpoint.changing(training.net.module, trained) | set(weights.tensors_new)
        names = tuple(name for name in training.net.module.state_dict() if name not in apart)
        if not names:
            return None
        return checkpoint.Base(path=weights.path, sha256=weights.sha256, names=names)

    def _export(self, training: Training) -> None:
        assert self.best is not None
        last = self.epochs[-1].epoch
        self._turn_to("exporting", epoch=last)
        if last < self.plan.epochs:
            report.say(f"ends after epoch {last} of {self.plan.epochs}, as its user asked")
        for artifact in exporting.artifacts(
            self.run_dir, self.card, self.recipe, self.plan, training.net.module,
            best=self.best, epochs=self.epochs,
        ):  # fmt: skip
            self.journal.write(artifact)
            report.say(f"{artifact.what}  {self.run_dir / artifact.path}")
        self.journal.write(
            events.Finished(
                best_epoch=self.best.epoch,
                best_accuracy=self.best.val.accuracy,
                stopped_after=last if last < self.plan.epochs else None,
            )
        )
