"""The end of a run: its best net is tested, once, and exported."""

import math

from fttrain import locked, report
from fttrain.attempt import Attempt
from fttrain.data.samples import Samples
from fttrain.events import EpochEnded
from fttrain.exporting import Exporting
from fttrain.loop import Training
from fttrain.progress import Progress
from fttrain.results import tables
from fttrain.results.verdicts import Verdicts
from fttrain.spec import rundir
from fttrain.spec.recipe import Recipe


def close(attempt: Attempt, training: Training, best: Progress) -> None:
    """Test and export the best net of a run, which one of its repeats has made.

    `attempt` is that of the last repeat.

    Raises:
        BadImage: where an image cannot be read.
        Diverged: where a loss is no number.
        Paused: where the worker was asked to.
    """
    assert best.best is not None
    assert attempt.source is not None
    tested = None
    if attempt.locked is not None:
        tested = _test(attempt, training, attempt.locked, best.best)
    attempt.turn_to("exporting", epoch=attempt.progress.trained)
    exporting = Exporting(
        run_dir=attempt.run_dir, card=attempt.card, recipe=_recipe(attempt, best),
        plan=attempt.plan, training=training, source=attempt.source, best=best.best,
        epochs=best.epochs, found=attempt.of_best, tested=tested,
    )  # fmt: skip
    for made in exporting.all():
        attempt.journal.write(made)
        report.say(report.made_line(made, attempt.run_dir))
        attempt.heed_pause()


def _test(attempt: Attempt, training: Training, samples: Samples, best: EpochEnded) -> Verdicts:
    """Read the test images: now, and never before."""
    attempt.turn_to("evaluating", epoch=attempt.progress.trained)
    path = attempt.run_dir / rundir.BEST
    found = locked.test(
        training, attempt.plan, samples, best=path, epoch=best.epoch, watched=attempt.audible
    )
    if not math.isfinite(found.loss):
        step = attempt.progress.step
        what = f"the test loss is {found.loss} after step {step}"
        raise attempt.diverged(what, best.epoch, training.rates(max(step - 1, 0)))
    classes = attempt.plan.data.classes
    tested = tables.evaluated(found, classes, split="test", epoch=best.epoch)
    attempt.journal.write(tested)
    report.say(report.evaluated_line(tested))
    return found


def _recipe(attempt: Attempt, best: Progress) -> Recipe:
    """Return the recipe of the repeat that was best."""
    return attempt.repeated(best.repeat).recipe if best.repeat else attempt.recipe
