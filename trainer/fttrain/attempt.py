"""One attempt to carry out a plan: train, evaluate, keep the best, export it."""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Self

from torch import Tensor

from fttrain import agenda, events, feeding, judging, loop, process, report, supply
from fttrain.data import split
from fttrain.data.samples import Samples, Source
from fttrain.data.stream import Batch, Stream
from fttrain.events import EpochEnded, PhaseName, Score
from fttrain.journal import Journal, StepLog
from fttrain.keeping import Keeping, Standing
from fttrain.loop import Lead, NonFiniteLoss, Training
from fttrain.progress import Progress
from fttrain.reserve import Reserve
from fttrain.results.verdicts import Verdicts
from fttrain.resumption import Resumption
from fttrain.score import Tally
from fttrain.spec import faults, itinerary, rundir
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from fttrain.spec.rundir import AttemptCard
from fttrain.staging import Staging
from fttrain.state.checkpoint import Partial
from fttrain.supply import Supply


class Diverged(Exception):
    """A loss that is no number, with where it happened and what is left."""


class Paused(Exception):
    """The worker was asked to keep a checkpoint and to end."""


@dataclass(slots=True, kw_only=True)
class Attempt:
    """An attempt under way."""

    run_dir: Path
    card: AttemptCard
    journal: Journal
    recipe: Recipe
    plan: Plan
    log: StepLog
    keeping: Keeping
    reserve: Reserve | None = None
    progress: Progress = field(default_factory=Progress)
    before: tuple[Progress, ...] = ()
    """The repeats that are done."""
    bad: dict[str, str] = field(default_factory=dict)
    """Images that cannot be read, by name, and why."""
    noticed: set[str] = field(default_factory=set)
    """What the user was told."""
    partial: Partial | None = None
    """What the epoch under way had come to when it was taken up again."""
    begun: float = 0.0
    """When the epoch under way began, by the monotonic clock."""
    judged: Verdicts | None = None
    """What the last evaluation found."""
    of_best: Verdicts | None = None
    """What the evaluation of the best epoch found; None: another attempt has made it."""
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
            keeping=Keeping(run_dir=run_dir, attempt=card, plan=plan),
            reserve=reserve,
            bad=dict(plan.data.bad),
        )

    def repeated(self, repeat: int) -> Self:
        """Return the attempt for one repeat, which comes after this one."""
        train, by = self.recipe.train, repeat - max(self.progress.repeat, 1)
        seeded = train.model_copy(update={"seed": train.seed + by})
        return replace(
            self,
            recipe=self.recipe.model_copy(update={"train": seeded}),
            reserve=self.reserve if repeat == 1 else None,
            progress=Progress(repeat=repeat, record=self.progress.record),
            before=(*self.before, self.progress) if self.progress.epochs else self.before,
        )

    def train(self, start: Resumption | None = None) -> Training:
        """Train to the end; return all as it is then.

        Raises:
            InputsChanged, BadWeights, BadImage: where the inputs are not as planned.
            Diverged: where a loss is no number.
            Paused: where it was asked to; a checkpoint is kept.
        """
        self.turn_to("setup", epoch=0)
        process.settle(threads=self.plan.threads, device=self.plan.device)
        # Repeats share it: of a million images it takes its time and room.
        source = self.source if self.source is not None else self._source()
        begin = agenda.place(self.recipe, self.plan, source.train.labels, self.progress)
        with ExitStack() as stack:
            # Loading begins here: when the net is built, the first batch is there.
            feed = Supply(
                recipe=self.recipe, plan=self.plan, source=source, begin=begin, stack=stack,
                place=supply.place(self.run_dir, self.card), known=self.bad, tell=self.notice,
            )  # fmt: skip
            if self.reserve is not None:
                # Not earlier: a forked loader would share it.
                self.reserve.release(keep=process.working_set_bytes(self.plan))
            if self.progress.repeat <= 1 or start is not None:
                self._introduce(is_new=start is None or not self.card.earlier)
            staging = Staging.begun(self.recipe, self.plan, step=self.progress.step)
            feed.staging = staging
            if start is not None:
                start.restore(staging.training)
            elif feed.plain is not None:
                self._recalibrate(staging.training, feed.plain, begin.epoch)
            try:
                self._fit(staging, feed, begin)
            except Paused:
                self._keep_midway(staging.training)
                raise
        self.locked, self.source = source.test, source
        return staging.training

    def _fit(self, staging: Staging, feed: Supply, begin: agenda.Place) -> None:
        is_untouched = self.progress.step == 0 and not self.progress.epochs
        # Before the other repeats, 0 is no number that is free.
        if is_untouched and self.recipe.train.evaluate_first and self.progress.repeat <= 1:
            self._untrained(staging.training, feed)
        lead = feed.lead
        while not self._is_over:
            self._epoch(staging, feed, begin.batches, lead)
            begin, lead = agenda.Place(), Lead()

    @property
    def _is_over(self) -> bool:
        """True if training ends here: as its recipe says, or as it was asked to."""
        progress = self.progress
        if progress.is_whole(self.recipe.train.early_stopping, self.plan):
            return True
        if progress.trained == 0 or progress.begun(self.plan) > 0:
            return False
        # Asked for since this epoch was over, it holds for the next: that is evaluated.
        return rundir.is_to_finish(self.run_dir) and progress.epochs[-1].val is not None

    @property
    def suspended(self) -> events.Suspended:
        """What to tell where it ends for now."""
        step = self.progress.steps_before(self.plan) + self.progress.step
        epoch = min(self.progress.trained + 1, self.plan.epochs)
        return events.Suspended(epoch=self._number(epoch), step=step)

    def _introduce(self, *, is_new: bool) -> None:
        for line in report.plan_lines(self.plan):
            report.say(line)
        for notice in self.plan.notices if is_new else ():
            self.journal.write(events.Notice(message=notice))

    def turn_to(self, phase: PhaseName, *, epoch: int) -> None:
        """Tell what the worker turns to."""
        number, stage = self._number(epoch), itinerary.told(self.plan, epoch)
        self.journal.write(events.PhaseChanged(phase=phase, epoch=number, stage=stage))

    def _number(self, epoch: int) -> int:
        """Return the number of an epoch in the whole run."""
        return epoch + self.progress.epochs_before(self.plan)

    def _source(self) -> Source:
        source = feeding.source(self.recipe, self.plan, self.card)
        if feeding.write_split(source, self.run_dir):
            self.journal.write(events.ArtifactMade(what="table/split", path=split.CSV))
        return source

    def tell(self, records: Sequence[events.Record]) -> None:
        """Write records."""
        for record in records:
            self.journal.write(record)

    def notice(self, message: str) -> None:
        """Tell the user something, once in all repeats."""
        if message in self.noticed:
            return
        self.noticed.add(message)
        self.journal.write(events.Notice(message=message))
        report.say(f"notice: {message}")

    # --- epochs ---------------------------------------------------------------------------

    def _epoch(self, staging: Staging, feed: Supply, done: int, lead: Lead) -> None:
        """Train an epoch, of which so many batches are done, to its end; evaluate and keep it."""
        epoch, so_far, self.partial = self.progress.trained + 1, self.partial, None
        self.begun = time.monotonic() - (so_far.seconds if so_far is not None else 0.0)
        self.turn_to("training", epoch=epoch)
        self.log.begin(
            epoch=self._number(epoch),
            before=self.progress.steps_before(self.plan),
            tally=_tally(so_far),
        )
        count = len(agenda.batches(self.recipe, self.plan, feed.source.train.labels, epoch))
        batches = itertools.islice(feed.batches, count - done + lead.batches)
        self.heed_pause()
        # Not earlier: whoever pauses before the first step of a stage keeps the end of the last.
        if staging.enter(epoch):
            report.say(report.stage_line(self.plan, staging.place))
        feed.tell_of_room(epoch)
        self._train(staging.training, batches, epoch, lead)
        self._judge(staging.training, feed, epoch)

    def _judge(self, training: Training, feed: Supply, epoch: int) -> None:
        train, train_s = self.log.tally, time.monotonic() - self.begun
        with judging.judged(training, self._recalibration(training, feed, epoch)) as live:
            val = self._evaluate(epoch, training, feed) if self._is_evaluated(epoch) else None
            ended = EpochEnded(
                epoch=self._number(epoch),
                step=self.progress.steps_before(self.plan) + self.progress.step,
                train=train.score(),
                val=val,
                lrs=training.rates(self.progress.step - 1),
                images_per_second=train.count / train_s,
                memory_bytes=process.peak_memory_bytes(),
                seconds=time.monotonic() - self.begun,
                best=val is not None and val.accuracy > self.progress.record,
                repeat=self.progress.repeat,
                stage=itinerary.told(self.plan, epoch),
            )
            self.progress.take(ended)
            if ended.best:
                self.of_best = self.judged
            # What is told is kept: nobody sees an epoch that could be lost.
            saved = []
            if self._is_kept(epoch, ended):
                self.turn_to("checkpointing", epoch=epoch)
                saved = self._keep(training, live)
        self.tell([ended, *saved])
        report.say(report.epoch_line(ended, epochs=self.plan.epochs * self.plan.repeats))

    def _is_kept(self, epoch: int, ended: EpochEnded) -> bool:
        rule = self.recipe.train.checkpoint
        is_due = epoch % rule.epochs == 0 or self.keeping.is_due(self.recipe, ended.step)
        return is_due or ended is self.progress.best or self._is_over

    def _is_evaluated(self, epoch: int) -> bool:
        is_last = itinerary.is_last_epoch(self.plan, epoch) or rundir.is_to_finish(self.run_dir)
        return is_last or epoch % self.recipe.train.evaluate_every == 0

    def _train(self, training: Training, batches: Iterator[Batch], epoch: int, lead: Lead) -> None:
        timed, first = self.log.timed(batches), self.progress.step
        try:
            for step in loop.train(training, timed, first_step=first, lead=lead):
                self.progress.step = step.step + 1
                self.log.add(step)
                self.heed_pause()
                if self.keeping.is_due(self.recipe, self.progress.step):
                    self.turn_to("checkpointing", epoch=epoch)
                    self._keep_midway(training)
                    self.turn_to("training", epoch=epoch)
        except NonFiniteLoss as diverged:
            raise self.diverged(f"{diverged}", epoch, diverged.lrs) from None
        finally:
            self.log.flush()

    def _evaluate(self, epoch: int, training: Training, feed: Supply) -> Score:
        self.turn_to("evaluating", epoch=epoch)
        tasks = agenda.evaluation(self.plan, len(feed.source.val), epoch)
        found = loop.evaluate(training, self._heeding_pause(feed.validation(tasks)))
        if not math.isfinite(found.loss):
            step = self.progress.step
            what = f"the validation loss is {found.loss} after step {step}"
            raise self.diverged(what, epoch, training.rates(max(step - 1, 0)))
        self.judged = found
        return found.score()

    @property
    def _recalibrates(self) -> bool:
        return self.recipe.train.bn == "recalibrate"

    def _recalibration(
        self, training: Training, feed: Supply, epoch: int
    ) -> Callable[[], None] | None:
        if feed.plain is None:
            return None
        return partial(self._recalibrate, training, feed.plain, epoch)

    def _recalibrate(self, training: Training, plain: Stream, epoch: int) -> None:
        tasks = agenda.statistics(self.recipe, self.plan, epoch)
        loop.recalibrate(training, self.audible(plain.run(tasks)))

    def _untrained(self, training: Training, feed: Supply) -> None:
        begun = time.monotonic()
        val = self._evaluate(0, training, feed)
        ended = EpochEnded(
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
        self.progress.take(ended)
        self.journal.write(ended)
        report.say(report.epoch_line(ended, epochs=self.plan.epochs * self.plan.repeats))

    def diverged(self, what: str, epoch: int, lrs: list[float]) -> Diverged:
        """Return the error of a loss that is no number."""
        rates = ", ".join(f"{lr:g}" for lr in lrs)
        kept = self.keeping.last
        left = f"{rundir.LAST} holds {kept}" if kept else "no checkpoint yet"
        return Diverged(
            f"{what} of {self.plan.steps} (epoch {epoch}, learning rate {rates}); {left}"
        )

    # --- what stays -----------------------------------------------------------------------

    def heed_pause(self) -> None:
        """Raise Paused where the worker was asked to pause."""
        if rundir.is_to_pause(self.run_dir):
            raise Paused

    def _heeding_pause(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        for batch in batches:
            self.heed_pause()
            yield batch
            self.journal.beat()

    def audible(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield the batches, and give a sign of life now and then."""
        for batch in batches:
            yield batch
            self.journal.beat()

    def _keep_midway(self, training: Training) -> None:
        """Keep a checkpoint amid an epoch."""
        tally, seconds = self.log.tally, time.monotonic() - self.begun
        self.log.flush()
        if self.progress.begun(self.plan) > 0:
            self.partial = Partial(
                loss_sum=tally.loss_sum, correct=tally.correct, count=tally.count, seconds=seconds
            )
        with judging.judged(training, None) as live:
            saved = self._keep(training, live)
        self.partial = None
        self.tell(saved)

    def _keep(self, training: Training, live: dict[str, Tensor]) -> list[events.CheckpointSaved]:
        standing = Standing(
            progress=self.progress,
            before=self.before,
            log=self.log,
            spared=self.bad,
            partial=self.partial,
        )
        return self.keeping.save(training, live, self.recipe, standing)


def _tally(partial: Partial | None) -> Tally | None:
    if partial is None:
        return None
    return Tally(loss_sum=partial.loss_sum, correct=partial.correct, count=partial.count)
