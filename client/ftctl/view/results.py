"""What a run came to: its last epoch, and what its best checkpoint scores, class by class."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from ftctl.models import Job
from ftctl.scores import ClassScore, Evaluation, Score
from ftctl.view import text
from ftctl.view.labels import labelled

SHOWN_CLASSES = 5
NAMES = {"val": "validation", "test": "test"}


def last(job: Job) -> Iterator[str]:
    """Say how the last epoch compares with the best, where it is another one."""
    summary = job.summary
    if summary is None or summary.last_epoch == summary.best_epoch:
        return
    drop = 100 * summary.overfit_drop
    lost = f", {drop:.1f} points below the best" if drop > 0 else ", as good as the best"
    yield f"{text.percent(summary.last_accuracy)} %, epoch {summary.last_epoch}{lost}"


def lines(evaluations: Sequence[Evaluation], console: Console) -> Iterator[Text]:
    """Yield what is told of each evaluation: the score, and the classes that fare worst."""
    for evaluation in evaluations:
        label = NAMES.get(evaluation.split, evaluation.split)
        yield from labelled(label, [_score(evaluation.score), _worst(evaluation.classes)], console)


def _score(score: Score) -> str:
    parts = [text.accuracy(score)]
    if score.balanced_accuracy is not None:
        parts.append(f"balanced {text.percent(score.balanced_accuracy)}")
    if score.top5_accuracy is not None:
        parts.append(f"top 5 {text.percent(score.top5_accuracy)}")
    if score.calibration_error is not None:
        parts.append(f"calibration error {text.percent(score.calibration_error)}")
    return " · ".join(parts)


def _worst(classes: Sequence[ClassScore]) -> str:
    """Name the classes that are found least; all of them where they are few."""
    known = [each for each in classes if each.recall is not None]
    ranked = sorted(known, key=lambda each: each.recall or 0.0)[:SHOWN_CLASSES]
    told = ", ".join(
        f"{text.clean(each.label)} {text.percent(each.recall or 0.0)}" for each in ranked
    )
    return f"recall {told}" if len(known) <= SHOWN_CLASSES else f"least recall {told}"
