"""One attempt to carry out a plan: train, evaluate, keep the best, export it."""

import itertools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Self

from fttrain import agenda, assembly, events, judging, locked, loop, process, report, stopping
from fttrain.assembly import InputsChanged
from fttrain.data import sources, split
from fttrain.data.samples import Samples, Source
from fttrain.data.sparing import Sparing, watched
from fttrain.data.stream import Batch, Stream
from fttrain.data.view import EvalView, TrainView
from fttrain.events import EpochEnded, PhaseName, Score
from fttrain.exporting import Exporting
from fttrain.journal import Journal, StepLog
from fttrain.keeping import Keeping
from fttrain.loop import NonFiniteLoss, Training
from fttrain.reserve import Reserve
from fttrain.results import tables
from fttrain.results.verdicts import Verdicts
from fttrain.spec import faults, rundir
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from fttrain.spec.rundir import AttemptCard


class Diverged(Exception):
    """A loss that is no number, with where it happened and what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Where the images of an attempt come from."""

    source: Source
    batches: Iterator[Batch]
    """All that will be trained on, in order."""
    val: Stream
    plain: Stream | None
    """The training images as they are, where statistics are taken of them."""


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
    is_exhausted: bool = False
    """Ended because validation had stopped to improve."""
    repeat: int = 0
    """Which of several, from 1; 0: there is but one."""
    record: float = float("-inf")
    """The best accuracy of the whole run, repeats before it included."""
    holds_record: bool = False
    locked: Samples | None = None
    """The test images, if there are any, which nothing has read yet."""
    source: Source | None = None
    """What it trained on."""

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
            log=StepLog(
                journal, epochs=plan.epochs * plan.repeats, steps=plan.steps * plan.repeats
            ),
            reserve=reserve,
        )

    def repeated(self, repeat: int) -> Self:
        """Return the attempt for one repeat, which comes after this one."""
        train = self.recipe.train
        seeded = train.model_copy(update={"seed": train.seed + (1 if repeat > 1 else 0)})
        return replace(
            self,
            recipe=self.recipe.model_copy(update={"train": seeded}),
            reserve=self.reserve if repeat == 1 else None,
            step=0,
            best=None,
            epochs=[],
            is_exhausted=False,
            repeat=repeat,
            holds_record=False,
        )

    @property
    def is_whole(self) -> bool:
        """True if it went as far as it should."""
        last = self.epochs[-1].epoch - self._epochs_before
        return self.is_exhausted or last == self.plan.epochs

    @property
    def reached(self) -> float:
        """The best accuracy."""
        assert self.best is not None
        assert self.best.val is not None
        return self.best.val.accuracy

    @property
    def _epochs_before(self) -> int:
        """Epochs that the repeats before it may have had."""
        return max(self.repeat - 1, 0) * self.plan.epochs

    def train(self) -> Training:
        """Train to the end; return all as it is then.

        Raises:
            InputsChanged, BadWeights, BadImage: where the inputs are not as planned.
            Diverged: where a loss is no number.
        """
        self._turn_to("setup", epoch=0)
        process.settle(threads=self.plan.threads, device=self.plan.device)
        # Repeats share it: of a million images it takes its time and room.
        source = self.source if self.source is not None else self._source()
        preprocess, workers = self.plan.preprocess.steps, self.plan.loader_workers
        train_view = TrainView(preprocess, self.recipe.data.augment, self.recipe.train.seed)
        spared, eval_view = Sparing(source.train), EvalView(preprocess)
        with ExitStack() as stack:
            train_stream = stack.enter_context(Stream(spared, train_view, workers))
            val_stream = stack.enter_context(Stream(source.val, eval_view, workers))
            plain = Stream(spared, eval_view, workers) if self._recalibrates else None
            if plain is not None:
                stack.enter_context(plain)
            # Loading begins here: when the net is built, the first batch is there.
            batches = self._watched(
                train_stream.run(agenda.training(self.recipe, self.plan, source.train.labels)),
                spared,
            )
            feed = Feed(source=source, batches=batches, val=val_stream, plain=plain)
            if self.reserve is not None:
                # Not earlier: a forked loader would share it.
                self.reserve.release(keep=process.working_set_bytes(self.plan))
            if self.repeat <= 1:
                self._introduce()
            training = assembly.training(self.recipe, self.plan)
            self._fit(training, feed)
        self.locked, self.source = source.test, source
        return training

    def _fit(self, training: Training, feed: Feed) -> None:
        if feed.plain is not None:
            self._recalibrate(training, feed.plain)
        # Before the other repeats, 0 is no number that is free.
        if self.recipe.train.evaluate_first and self.repeat <= 1:
            self._untrained(training, feed)
        for epoch in range(1, self.plan.epochs + 1):
            self._epoch(epoch, training, feed)
            if stopping.is_due(self.recipe.train.early_stopping, self.epochs):
                self.is_exhausted = True
                break
            # Asked for since this epoch was over, it holds for the next: that is evaluated.
            if rundir.is_to_finish(self.run_dir) and self.epochs[-1].val is not None:
                break

    def _introduce(self) -> None:
        for line in report.plan_lines(self.plan):
            report.say(line)
        for notice in self.plan.notices:
            self.journal.write(events.Notice(message=notice))

    def _turn_to(self, phase: PhaseName, *, epoch: int) -> None:
        number = epoch + self._epochs_before
        self.journal.write(events.PhaseChanged(phase=phase, epoch=number))

    # --- data -----------------------------------------------------------------------------

    def _source(self) -> Source:
        try:
            source = sources.load(self.recipe.data, self.card.references)
        except RecipeFaults as found:
            raise InputsChanged(f"the data has changed since the plan: {found}") from None
        if source.fingerprint != self.plan.data.fingerprint:
            raise InputsChanged(f"the images of {source.name} have changed since the plan")
        source = source.without({*self.plan.data.bad, *self.plan.data.dropped})
        if source.is_drawn:
            split.write(source, self.run_dir / split.CSV)
            self.journal.write(events.ArtifactMade(what="table/split", path=split.CSV))
        return source

    def _watched(self, batches: Iterator[Batch], spared: Sparing) -> Iterator[Batch]:
        data = self.plan.data
        parts = [part.images for part in (data.train, data.val, data.test) if part is not None]
        images = sum(parts) + len(data.bad) + len(data.dropped)
        return watched(
            batches,
            spared,
            known=data.bad,
            allowed=self.recipe.data.most_bad(images),
            images=images,
            tell=self._notice,
        )

    def _notice(self, message: str) -> None:
        self.journal.write(events.Notice(message=message))
        report.say(f"notice: {message}")

    # --- epochs ---------------------------------------------------------------------------

    def _epoch(self, epoch: int, training: Training, feed: Feed) -> None:
        begun = time.monotonic()
        self._turn_to("training", epoch=epoch)
        before = max(self.repeat - 1, 0) * self.plan.steps
        self.log.begin(epoch=epoch + self._epochs_before, before=before)
        count = len(agenda.batches(self.recipe, self.plan, feed.source.train.labels, epoch))
        lrs = self._train(training, itertools.islice(feed.batches, count), epoch)
        train, train_s = self.log.tally, time.monotonic() - begun
        with judging.judged(training, self._recalibration(training, feed)) as live:
            val = self._evaluate(epoch, training, feed) if self._is_evaluated(epoch) else None
            ended = EpochEnded(
                epoch=epoch + self._epochs_before,
                step=before + self.step,
                train=train.score(),
                val=val,
                lrs=lrs,
                images_per_second=train.count / train_s,
                memory_bytes=process.peak_memory_bytes(),
                seconds=time.monotonic() - begun,
                best=val is not None and val.accuracy > self.record,
                repeat=self.repeat,
            )
            self._end(ended)
            self._turn_to("checkpointing", epoch=epoch)
            self._keeping.save(training, live, ended=ended, best=self.best)

    def _is_evaluated(self, epoch: int) -> bool:
        is_last = epoch == self.plan.epochs or rundir.is_to_finish(self.run_dir)
        return is_last or epoch % self.recipe.train.evaluate_every == 0

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

    def _evaluate(self, epoch: int, training: Training, feed: Feed) -> Score:
        self._turn_to("evaluating", epoch=epoch)
        tasks = agenda.evaluation(self.plan, len(feed.source.val), epoch)
        found = loop.evaluate(training, feed.val.run(tasks))
        if not math.isfinite(found.loss):
            what = f"the validation loss is {found.loss} after step {self.step}"
            raise self._diverged(what, epoch, training.rates(max(self.step - 1, 0)))
        return found.score()

    @property
    def _recalibrates(self) -> bool:
        return self.recipe.train.bn == "recalibrate"

    def _recalibration(self, training: Training, feed: Feed) -> Callable[[], None] | None:
        if feed.plain is None:
            return None
        return partial(self._recalibrate, training, feed.plain)

    def _recalibrate(self, training: Training, plain: Stream) -> None:
        tasks = agenda.statistics(self.recipe, self.plan)
        loop.recalibrate(training, plain.run(tasks))

    def _untrained(self, training: Training, feed: Feed) -> None:
        begun = time.monotonic()
        val = self._evaluate(0, training, feed)
        self._end(
            EpochEnded(
                epoch=0,
                step=0,
                train=None,
                val=val,
                lrs=training.rates(0),
                images_per_second=0.0,
                memory_bytes=process.peak_memory_bytes(),
                seconds=time.monotonic() - begun,
                best=False,
            )
        )

    def _end(self, ended: EpochEnded) -> None:
        self.epochs.append(ended)
        accuracy = ended.val.accuracy if ended.val is not None else float("-inf")
        is_candidate = ended.train is not None and ended.val is not None
        if is_candidate and (self.best is None or accuracy > self.reached):
            self.best = ended
        if ended.best:
            self.record, self.holds_record = accuracy, True
        self.journal.write(ended)
        report.say(report.epoch_line(ended, epochs=self.plan.epochs * self.plan.repeats))

    def _diverged(self, what: str, epoch: int, lrs: list[float]) -> Diverged:
        rates = ", ".join(f"{lr:g}" for lr in lrs)
        trained = [ended.epoch for ended in self.epochs if ended.train is not None]
        left = f"{rundir.LAST} holds epoch {trained[-1]}" if trained else "no checkpoint yet"
        return Diverged(
            f"{what} of {self.plan.steps} (epoch {epoch}, learning rate {rates}); {left}"
        )

    def _test(self, training: Training, samples: Samples, after: int) -> Verdicts:
        """Read the test images: now, and never before."""
        assert self.best is not None
        epoch, best = self.best.epoch, self.run_dir / rundir.BEST
        self._turn_to("evaluating", epoch=after - self._epochs_before)
        found = locked.test(training, self.plan, samples, best=best, epoch=epoch)
        if not math.isfinite(found.loss):
            what = f"the test loss is {found.loss} after step {self.step}"
            raise self._diverged(what, epoch, training.rates(max(self.step - 1, 0)))
        tested = tables.evaluated(found, self.plan.data.classes, split="test", epoch=epoch)
        self.journal.write(tested)
        report.say(report.evaluated_line(tested))
        return found

    # --- what stays -----------------------------------------------------------------------

    @property
    def _keeping(self) -> Keeping:
        return Keeping(
            run_dir=self.run_dir,
            repeat=self.repeat,
            job_name=self.card.name,
            recipe=self.recipe,
            plan=self.plan,
            journal=self.journal,
        )

    def export(self, training: Training, *, after: int) -> None:
        """Test and export the best net of the whole run, which is one of this attempt.

        `after`: the last epoch of the whole run.
        """
        assert self.best is not None
        assert self.source is not None
        tested = self._test(training, self.locked, after) if self.locked is not None else None
        self._turn_to("exporting", epoch=after - self._epochs_before)
        exporting = Exporting(
            run_dir=self.run_dir, card=self.card, recipe=self.recipe, plan=self.plan,
            training=training, source=self.source, best=self.best, epochs=self.epochs,
            tested=tested,
        )  # fmt: skip
        for made in exporting.all():
            self.journal.write(made)
            report.say(report.made_line(made, self.run_dir))
