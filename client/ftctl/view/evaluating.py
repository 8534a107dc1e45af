"""A job that is evaluated again: how far that is, and what came of it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.text import Text

from ftctl.evaluations import EvaluationProgress, EvaluationReport
from ftctl.scores import ClassScore
from ftctl.statistics import wilson
from ftctl.view import console as consoles
from ftctl.view import grid, text
from ftctl.view.bars import progress as bar
from ftctl.view.labels import labelled, written

SHOWN_CLASSES = 30
SHOWN_LEFT_OUT = 10
BAR_COLUMNS = 24
SHORTEST_LABEL = 8
# Before, it says nothing of the time that is left.
RATE_AFTER_S = 1.0
FRAMES_PER_SECOND = 6
TITLES = ("class", "images", "recall %", "95 %", "precision %")


class Waiting(AbstractContextManager["Waiting"]):
    """Says how far it is: on a terminal alone, and gone when it is done."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self._name = text.clean(name)
        console = consoles.of(stream)
        self._status = console.status(f"evaluating {self._name}", spinner_style="accent")
        self._is_live = consoles.is_live(stream)
        self._begun: tuple[float, int] | None = None

    def __enter__(self) -> "Waiting":
        if self._is_live:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def at(self, progress: EvaluationProgress) -> None:
        """Say how far it is."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = now, progress.done
        seconds, done = now - self._begun[0], progress.done - self._begun[1]
        told = f"evaluating {self._name}  "
        share = progress.done / max(progress.images, 1)
        line = Text(told).append_text(bar(share, BAR_COLUMNS))
        line.append(f"  {progress.done:,} of {text.counted(progress.images, 'image')}")
        if seconds >= RATE_AFTER_S and done:
            left = (progress.images - progress.done) * seconds / done
            line.append(f"  {text.rate(done / seconds)}/s  {text.left(left)} left")
        self._status.update(line)


def lines(
    name: str, report: EvaluationReport, files: Sequence[Path], console: Console
) -> Iterator[Text]:
    """Yield what came of it: the score, what is to know of it, and every class."""
    score = report.score
    title = f"{text.clean(name)}, epoch {report.evaluation.epoch}"
    yield from labelled("model", [Text(title, "title")], console)
    yield from labelled("images", [f"{score.count:,}: {text.clean(report.images)}"], console)
    right = f"{score.correct:,} of {score.count:,} right"
    yield from labelled("accuracy", [f"{text.accuracy(score)}, {right}"], console)
    others = [*text.measures(score), f"loss {text.loss(score.loss)}"]
    yield from labelled("", [", ".join(others)], console)
    yield from labelled("left out", [*_left_out(report)], console)
    yield from labelled("notice", [text.clean(each) for each in report.notices], console)
    yield from written(files, console)
    yield Text()
    yield from _table(report.classes, console)


def _left_out(report: EvaluationReport) -> Iterator[str]:
    for name, why in list(report.left_out.items())[:SHOWN_LEFT_OUT]:
        yield f"{text.clean(name)} {text.clean(why)}"
    if (rest := report.left_out_count - SHOWN_LEFT_OUT) > 0:
        yield f"and {rest:,} more"


def _table(classes: Sequence[ClassScore], console: Console) -> Iterator[Text]:
    shown = _worst(classes) if len(classes) > SHOWN_CLASSES else classes
    rows: list[list[str | Text]] = [[Text(title, "label") for title in TITLES]]
    rows += [[*_row(each)] for each in shown]
    width = console.width - 1 if console.is_terminal else None
    for line in grid.lines(
        rows, aligns="<>>>>", width=width, flexible=((0, SHORTEST_LABEL),), spare=(3, 4)
    ):
        margin = Text(" ", no_wrap=line.no_wrap, overflow=line.overflow)
        yield margin.append_text(line)
    if len(shown) < len(classes):
        rest = f"the {len(shown)} of {len(classes):,} classes that are found least; -o json has all"
        yield Text(f" {rest}", "label")


def _worst(classes: Sequence[ClassScore]) -> list[ClassScore]:
    known = [each for each in classes if each.recall is not None]
    return sorted(known, key=lambda each: each.recall or 0.0)[:SHOWN_CLASSES]


def _row(each: ClassScore) -> Iterator[str | Text]:
    yield text.clean(each.label)
    yield f"{each.count:,}"
    yield Text("–", "label") if each.recall is None else Text(text.percent(each.recall), "title")
    yield Text(_interval(each), "label")
    yield "–" if each.precision is None else text.percent(each.precision)


def _interval(each: ClassScore) -> str:
    """Return Wilson's interval of the recall in percent."""
    if not each.count:
        return "–"
    low, high = wilson(each.correct, each.count)
    return f"{text.percent(low)}–{text.percent(high)}"
