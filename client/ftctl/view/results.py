"""What a run came to: its last epoch, and what its best checkpoint scores, class by class."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from ftctl.models import Job
from ftctl.scores import ClassScore, Evaluation
from ftctl.view import text
from ftctl.view.labels import labelled

SHOWN_CLASSES = 5


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
        told = [", ".join(_score(evaluation)), _recall(evaluation.classes)]
        yield from labelled(evaluation.split, told, console)


def _score(evaluation: Evaluation) -> Iterator[str]:
    score = evaluation.score
    if evaluation.split != "val":  # of which the best epoch tells it
        yield text.accuracy(score)
    yield from text.measures(score)


def _recall(classes: Sequence[ClassScore]) -> str:
    """Name the classes that are found least; all of them where they are few."""
    known = [each for each in classes if each.recall is not None]
    ranked = sorted(known, key=lambda each: each.recall or 0.0)[:SHOWN_CLASSES]
    told = " · ".join(
        f"{text.clean(each.label)}: {text.percent(each.recall or 0.0)}" for each in ranked
    )
    return f"recall  {told}" if len(known) <= SHOWN_CLASSES else f"least recall  {told}"


def shown(files: Mapping[str, str]) -> dict[str, str]:
    """Return the files that people open: not the numbers beside the pictures."""
    return {kind: path for kind, path in files.items() if not kind.startswith("data/")}
