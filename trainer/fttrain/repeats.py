"""A recipe carried out once, or as often as it says, from one seed after the other."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from fttrain import closing, continuing, events, report, resumption, supply, takeover
from fttrain.attempt import Attempt, Paused
from fttrain.journal import Journal
from fttrain.loop import Training
from fttrain.progress import Progress
from fttrain.reserve import Reserve
from fttrain.results.spread import spread
from fttrain.spec import rundir
from fttrain.spec.rundir import AttemptCard


def complete(run_dir: Path, card: AttemptCard, journal: Journal, reserve: Reserve | None) -> None:
    """Train to the end, each repeat in turn, and export the best of all.

    It goes on where an earlier attempt was.

    Raises:
        InputsChanged, BadWeights, BadImage: where the inputs are not as planned.
        ResumeRefused: where it can only go on otherwise than its recipe allows.
        Diverged: where a loss is no number.
        Paused: where it was asked to.
    """
    attempt = Attempt.prepare(run_dir, card, journal, reserve)
    if any(rundir.is_to_finish(Path(folder)) for folder in card.earlier):
        rundir.ask_to_finish(run_dir)
    start = resumption.find(card, attempt.recipe, attempt.plan, attempt.notice)
    if start is not None:
        attempt = takeover.resumed(attempt, start)
    elif attempt.plan.continued is not None:
        start = continuing.start(attempt.plan.continued, attempt.recipe, attempt.plan)
        attempt = takeover.continued(attempt, start)
    training: Training | None = None
    try:
        while training is None or _is_another_due(attempt):
            if training is not None or (attempt.plan.repeats > 1 and start is None):
                attempt = attempt.repeated(attempt.progress.repeat + 1)
            training = None  # The net of one repeat is gone before that of the next is built.
            training = attempt.train(start)
            start = None
        done = [*attempt.before, attempt.progress]
        best = next(progress for progress in reversed(done) if progress.holds_record)
        closing.close(attempt, training, best)
    except Paused:
        journal.write(attempt.suspended)
        raise
    finally:
        shutil.rmtree(run_dir / supply.OWN, ignore_errors=True)
    journal.write(_finished(attempt, done, best))


def _is_another_due(attempt: Attempt) -> bool:
    progress = attempt.progress
    is_asked_to_end = rundir.is_to_finish(attempt.run_dir) and progress.epochs[-1].val is not None
    return progress.repeat < attempt.plan.repeats and progress.repeat > 0 and not is_asked_to_end


def _finished(attempt: Attempt, done: Sequence[Progress], best: Progress) -> events.Finished:
    assert best.best is not None
    plan, rule = attempt.plan, attempt.recipe.train.early_stopping
    last = done[-1]
    number = last.epochs[-1].epoch
    is_cut = not last.is_whole(rule, plan) or len(done) < plan.repeats
    is_exhausted = plan.repeats == 1 and last.is_exhausted(rule, plan) and number < plan.epochs
    if is_cut or is_exhausted:
        why = "validation does not improve" if not is_cut else "as its user asked"
        report.say(f"ends after epoch {number} of {plan.epochs * plan.repeats}, {why}")
    whole = [each.reached for each in done if each.is_whole(rule, plan)]
    found = spread(whole) if plan.repeats > 1 else None
    if found is not None:
        report.say(report.spread_line(found))
    return events.Finished(
        best_epoch=best.best.epoch,
        best_accuracy=best.reached,
        stopped_after=number if is_cut else None,
        exhausted_after=number if is_exhausted else None,
        spread=found,
    )
