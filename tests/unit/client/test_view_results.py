"""What a run came to, in few lines."""

import io
from dataclasses import replace

from rich.console import Console

from ftctl.scores import ClassScore, Evaluation, Score, Summary
from ftctl.view import results

SCORE = Score(
    loss=0.1, accuracy=0.9, correct=9, count=10, accuracy_low=0.6, accuracy_high=0.98,
    balanced_accuracy=0.875, calibration_error=0.051,
)  # fmt: skip
CLASSES = (
    ClassScore(label="ants", count=6, predicted=5, correct=5),
    ClassScore(label="bees", count=4, predicted=5, correct=4),
    ClassScore(label="none", count=0, predicted=0, correct=0),
)
SUMMARY = Summary(
    best_epoch=4, best_accuracy=0.66, last_epoch=6, last_accuracy=0.607, overfit_drop=0.053
)


def lines(*evaluations: Evaluation) -> list[str]:
    console = Console(file=io.StringIO(), width=100)
    return [line.plain.rstrip() for line in results.lines(evaluations, console)]


def test_validation_and_test_are_told_with_the_recall_of_each_class() -> None:
    val = Evaluation(split="val", epoch=4, score=SCORE, classes=CLASSES)
    test = replace(val, split="test", score=replace(SCORE, top5_accuracy=0.999))

    assert lines(val, test) == [
        " val       balanced 87.5 %, calibration error 5.1 %",
        "           recall  ants: 83.3 · bees: 100.0",
        " test      90.0 % (60.0–98.0), balanced 87.5 %, top 5 99.9 %, calibration error 5.1 %",
        "           recall  ants: 83.3 · bees: 100.0",
    ]


def test_of_many_classes_those_that_are_found_least_are_named() -> None:
    many = [
        ClassScore(label=f"c{number}", count=10, predicted=10, correct=10 - number % 9)
        for number in range(20)
    ]

    told = lines(Evaluation(split="val", epoch=1, score=SCORE, classes=tuple(many)))

    assert (
        told[1] == "           least recall  c8: 20.0 · c17: 20.0 · c7: 30.0 · c16: 30.0 · c6: 40.0"
    )


def test_a_class_says_what_share_was_found_and_what_share_is_right() -> None:
    assert (CLASSES[0].recall, CLASSES[0].precision) == (5 / 6, 1.0)
    assert (CLASSES[2].recall, CLASSES[2].precision) == (None, None)


class Told:
    """A job, as far as its last epoch goes."""

    def __init__(self, summary: Summary | None) -> None:
        self.summary = summary


def last(summary: Summary | None) -> list[str]:
    return list(results.last(Told(summary)))  # type: ignore[arg-type]  # it reads nothing else


def test_the_last_epoch_is_told_where_it_is_not_the_best() -> None:
    assert last(SUMMARY) == ["60.7 %, epoch 6, 5.3 points below the best"]
    same = replace(SUMMARY, last_accuracy=0.66, overfit_drop=0.0)
    assert last(same) == ["66.0 %, epoch 6, as good as the best"]
    assert last(replace(SUMMARY, last_epoch=4)) == []
    assert last(None) == []


def test_the_numbers_beside_pictures_are_not_shown() -> None:
    files = {"model": "m", "data/curves": "c.json", "picture/curves": "c.png"}

    assert results.shown(files) == {"model": "m", "picture/curves": "c.png"}
