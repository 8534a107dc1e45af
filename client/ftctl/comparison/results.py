"""What came of each run, figure by figure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from ftctl import statistics
from ftctl.comparison.run import Run
from ftctl.models import Epoch
from ftctl.scores import Score
from ftctl.view import text

Better = Literal["higher", "lower", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One figure of all runs."""

    name: str
    """Stable, such as `best_accuracy`."""
    title: str
    brief: str
    """The title above a column. Both titles are empty where another figure shows it, too."""
    values: tuple[float | None, ...]
    """One per run; None where a run has none."""
    shown: tuple[str, ...]
    """The same as people read them."""
    better: Better = ""
    """Which way is better; empty: neither."""

    @property
    def best(self) -> tuple[int, ...]:
        """Which runs are best; none where they are all alike, or nothing is better."""
        known = {value for value in self.values if value is not None}
        if not self.better or len(known) < 2:
            return ()
        best = max(known) if self.better == "higher" else min(known)
        return tuple(place for place, value in enumerate(self.values) if value == best)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The epochs of a run, as they are told of."""

    trained: tuple[Epoch, ...]
    """Without the evaluation before any training."""
    best: Epoch | None
    """By validation accuracy, the first of equals."""
    last: Epoch | None
    """That was evaluated."""


def course(run: Run) -> Course:
    """Return the epochs of a run."""
    trained = tuple(epoch for epoch in run.epochs if epoch.epoch > 0)
    judged = [epoch for epoch in trained if epoch.val is not None]
    best = max(judged, key=lambda epoch: epoch.val.accuracy if epoch.val else 0.0, default=None)
    return Course(trained=trained, best=best, last=judged[-1] if judged else None)


def results(runs: Sequence[Run]) -> list[Result]:
    """Return all figures that one of the runs has, the most telling first."""
    found = [_result(figure, runs) for figure in FIGURES]
    return [each for each in found if any(value is not None for value in each.values)]


def machine(runs: Sequence[Run]) -> dict[str, tuple[str, ...]]:
    """Return in what the machines of runs differ: times are not to be compared then."""
    facts = {
        "device": ("device",), "accelerator": ("environment", "accelerator"),
        "threads": ("threads",), "precision": ("precision",),
        "torch": ("environment", "torch"),
    }  # fmt: skip
    told = {name: tuple(_word(run.fact(*path)) for run in runs) for name, path in facts.items()}
    return {name: words for name, words in told.items() if len(set(words) - {""}) > 1}


# --- figures ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What is told of a run, and how."""

    name: str
    title: str
    brief: str
    of: Callable[[Run, Course], float | None]
    show: Callable[[float, Run, Course], str]
    better: Better = ""


def _result(figure: Figure, runs: Sequence[Run]) -> Result:
    courses = [course(run) for run in runs]
    values = [figure.of(run, each) for run, each in zip(runs, courses, strict=True)]
    return Result(
        name=figure.name,
        title=figure.title,
        brief=figure.brief,
        values=tuple(values),
        shown=tuple(
            figure.show(value, run, each) if value is not None else "–"
            for value, run, each in zip(values, runs, courses, strict=True)
        ),
        better=figure.better,
    )


def _best(run: Run, course: Course) -> Score | None:
    return course.best.val if course.best else None


def _best_accuracy(run: Run, course: Course) -> float | None:
    score = _best(run, course)
    return score.accuracy if score else None


def _interval(value: float, run: Run, course: Course) -> str:
    score = _best(run, course)
    assert score is not None
    return _wilson(score)


def _wilson(score: Score) -> str:
    low, high = statistics.wilson(score.correct, score.count)
    return f"{text.percent(low)}–{text.percent(high)}"


def _counts(value: float, run: Run, course: Course) -> str:
    score = _best(run, course)
    assert score is not None
    return f"{score.correct}/{score.count}"


def _high(run: Run, course: Course) -> float | None:
    score = _best(run, course)
    return statistics.wilson(score.correct, score.count)[1] if score else None


def _images(run: Run, course: Course) -> float | None:
    score = _best(run, course)
    return score.count if score else None


def _correct(run: Run, course: Course) -> float | None:
    score = _best(run, course)
    return score.correct if score else None


def _low(run: Run, course: Course) -> float | None:
    score = _best(run, course)
    return statistics.wilson(score.correct, score.count)[0] if score else None


def _test_accuracy(run: Run, course: Course) -> float | None:
    return run.test.accuracy if run.test else None


def _show_test(value: float, run: Run, course: Course) -> str:
    assert run.test is not None
    return f"{text.percent(value)} ({_wilson(run.test)})"


def _mean(run: Run, course: Course) -> float | None:
    return run.spread.mean if run.spread and len(run.spread.accuracies) > 1 else None


def _show_mean(value: float, run: Run, course: Course) -> str:
    spread = run.spread
    assert spread is not None
    told = f"{text.percent(spread.mean)} ± {text.percent(spread.deviation)}"
    if spread.low is not None and spread.high is not None:
        told += f" ({text.percent(spread.low)}–{text.percent(spread.high)})"
    return f"{told}, {len(spread.accuracies)} runs"


def _last_accuracy(run: Run, course: Course) -> float | None:
    return course.last.val.accuracy if course.last and course.last.val else None


def _drop(run: Run, course: Course) -> float | None:
    best, last = _best_accuracy(run, course), _last_accuracy(run, course)
    return best - last if best is not None and last is not None else None


def _epochs(run: Run, course: Course) -> float | None:
    return len(course.trained) or None


def _show_epochs(value: float, run: Run, course: Course) -> str:
    planned = run.fact("epochs")
    repeats = run.fact("repeats") or 1
    whole = planned * repeats if isinstance(planned, int) else None
    return f"{value:.0f} of {whole}" if whole and whole != value else f"{value:.0f}"


def _to_best(run: Run, course: Course) -> float | None:
    """Return the seconds up to the end of the best epoch, within its repeat."""
    best = course.best
    if best is None:
        return None
    return sum(
        epoch.seconds
        for epoch in run.epochs
        if epoch.epoch <= best.epoch and epoch.repeat == best.repeat
    )


def _losses(run: Run, course: Course, split: str) -> Iterator[list[float]]:
    """Yield the losses of each repeat, in order."""
    for repeat in dict.fromkeys(epoch.repeat for epoch in course.trained):
        mine = [epoch for epoch in course.trained if epoch.repeat == repeat]
        scores = [getattr(epoch, split) for epoch in mine]
        yield [score.loss for score in scores if score is not None]


def _noise(split: str) -> Callable[[Run, Course], float | None]:
    def of(run: Run, course: Course) -> float | None:
        found = [statistics.noise(losses) for losses in _losses(run, course, split)]
        known = [each for each in found if each is not None]
        return fmean(known) if known else None

    return of


def _least_loss(run: Run, course: Course) -> float | None:
    scores = [epoch.val for epoch in course.trained if epoch.val is not None]
    return min((score.loss for score in scores), default=None)


def _memory(run: Run, course: Course) -> float | None:
    return max((epoch.memory_bytes for epoch in course.trained), default=0) or None


def _activations(run: Run, course: Course) -> float | None:
    """Return what a batch keeps for its backward pass; of several stages, in the largest."""
    stages = run.fact("stages") or ()
    found = [stage["activation_bytes"] for stage in stages if "activation_bytes" in stage]
    return max(found) if found else _number("activation_bytes")(run, course)


def _size(value: float, run: Run, course: Course) -> str:
    return text.size(int(value))


def _number(*path: str) -> Callable[[Run, Course], float | None]:
    def of(run: Run, course: Course) -> float | None:
        found: Any = run.fact(*path)
        return found if isinstance(found, int | float) else None

    return of


def _trained(run: Run, course: Course) -> float | None:
    """Return how many parameters train; of several stages, in the one where most do."""
    found = _trained_by_stage(run)
    return max(found) if found else _number("parameters_trained")(run, course)


def _show_trained(value: float, run: Run, course: Course) -> str:
    found = _trained_by_stage(run)
    return " → ".join(map(text.count, found)) if len(set(found)) > 1 else text.count(int(value))


def _trained_by_stage(run: Run) -> list[int]:
    stages = run.fact("stages") or ()
    return [stage["parameters_trained"] for stage in stages if "parameters_trained" in stage]


def _show_macs(value: float, run: Run, course: Course) -> str:
    return f"{value / 1e6:,.1f} M" if value >= 1e5 else text.count(int(value))


def _word(fact: object) -> str:
    return "" if fact is None else str(fact)


def _share(value: float, run: Run, course: Course) -> str:
    return text.percent(value)


def _count(value: float, run: Run, course: Course) -> str:
    return text.count(int(value))


def _time(value: float, run: Run, course: Course) -> str:
    return text.seconds(value)


def _loss(value: float, run: Run, course: Course) -> str:
    return text.loss(value)


FIGURES = (
    Figure(name="best_accuracy", title="best accuracy %", brief="best %", of=_best_accuracy,
           show=_share, better="higher"),
    Figure(name="best_accuracy_low", title="95 % (Wilson)", brief="95 %", of=_low, show=_interval),
    Figure(name="best_accuracy_high", title="", brief="", of=_high, show=_share),
    Figure(name="best_correct", title="right of all", brief="right", of=_correct, show=_counts),
    Figure(name="val_images", title="", brief="", of=_images, show=_count),
    Figure(name="mean_accuracy", title="mean of repeats %", brief="mean of repeats %", of=_mean,
           show=_show_mean, better="higher"),
    Figure(name="test_accuracy", title="test accuracy %", brief="test %", of=_test_accuracy,
           show=_show_test, better="higher"),
    Figure(name="best_epoch", title="best epoch", brief="epoch",
           of=lambda run, course: course.best.epoch if course.best else None, show=_count),
    Figure(name="last_accuracy", title="last accuracy %", brief="last %", of=_last_accuracy,
           show=_share, better="higher"),
    Figure(name="overfit_drop", title="overfit drop, points", brief="drop", of=_drop, show=_share,
           better="lower"),
    Figure(name="least_val_loss", title="least val loss", brief="val loss", of=_least_loss,
           show=_loss, better="lower"),
    Figure(name="train_loss_noise", title="noise of train loss", brief="noise train",
           of=_noise("train"), show=_loss),
    Figure(name="val_loss_noise", title="noise of val loss", brief="noise val", of=_noise("val"),
           show=_loss),
    Figure(name="epochs", title="epochs run", brief="epochs", of=_epochs, show=_show_epochs),
    Figure(name="seconds_to_best", title="time to best", brief="to best", of=_to_best, show=_time,
           better="lower"),
    Figure(name="seconds", title="wall time", brief="wall", of=lambda run, course: run.seconds,
           show=_time, better="lower"),
    Figure(name="parameters", title="parameters", brief="parameters", of=_number("parameters"),
           show=_count),
    Figure(name="parameters_trained", title="of these trained", brief="trained",
           of=_trained, show=_show_trained),
    Figure(name="macs", title="MACs of an image", brief="MACs", of=_number("macs"),
           show=_show_macs),
    Figure(name="activation_bytes", title="saved activations", brief="activations",
           of=_activations, show=_size, better="lower"),
    Figure(name="memory_bytes", title="peak memory", brief="memory", of=_memory,
           show=_size, better="lower"),
)  # fmt: skip
