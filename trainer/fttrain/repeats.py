"""A recipe carried out once, or as often as it says, from one seed after the other."""

from collections.abc import Sequence
from pathlib import Path

from fttrain import events, report
from fttrain.attempt import Attempt
from fttrain.journal import Journal
from fttrain.loop import Training
from fttrain.reserve import Reserve
from fttrain.results.spread import spread
from fttrain.spec import rundir
from fttrain.spec.rundir import AttemptCard


def complete(run_dir: Path, card: AttemptCard, journal: Journal, reserve: Reserve | None) -> None:
    """Train to the end, each repeat in turn, and export the best of all.

    Raises:
        InputsChanged, BadWeights, BadImage: where the inputs are not as planned.
        Diverged: where a loss is no number.
    """
    attempt = Attempt.prepare(run_dir, card, journal, reserve)
    count = attempt.recipe.train.repeats
    done: list[Attempt] = []
    training: Training | None = None
    for repeat in range(1, count + 1):
        attempt = attempt.repeated(repeat) if count > 1 else attempt
        training = None  # The net of one repeat is gone before that of the next is built.
        training = attempt.train()
        done.append(attempt)
        if rundir.is_to_finish(run_dir) and attempt.epochs[-1].val is not None:
            break
    assert training is not None, "a recipe is carried out at least once"
    best = next(attempt for attempt in reversed(done) if attempt.holds_record)
    best.export(training, after=attempt.epochs[-1].epoch)
    journal.write(_finished(done, best, count))


def _finished(done: Sequence[Attempt], best: Attempt, count: int) -> events.Finished:
    assert best.best is not None
    assert best.best.val is not None
    last = done[-1]
    number = last.epochs[-1].epoch
    is_cut = not last.is_whole or len(done) < count
    is_exhausted = count == 1 and last.is_exhausted and number < last.plan.epochs
    if is_cut or is_exhausted:
        why = "validation does not improve" if not is_cut else "as its user asked"
        report.say(f"ends after epoch {number} of {last.plan.epochs * count}, {why}")
    found = spread([each.reached for each in done if each.is_whole]) if count > 1 else None
    if found is not None:
        report.say(report.spread_line(found))
    return events.Finished(
        best_epoch=best.best.epoch,
        best_accuracy=best.best.val.accuracy,
        stopped_after=number if is_cut else None,
        exhausted_after=number if is_exhausted else None,
        spread=found,
    )
