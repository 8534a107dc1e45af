"""What is told of an evaluation: as an event, as tables for files, as examples."""

import csv
import dataclasses
import io
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fttrain.data.decode import Pixels
from fttrain.events import ClassScore, Evaluated
from fttrain.pictures import tiles
from fttrain.results import measures
from fttrain.results.verdicts import Verdicts

SHOWN = 12
"""Examples of each kind, wrong and right."""
VERDICTS = ("image", "label", "predicted", "confidence")
"""The columns of the table of verdicts."""


def evaluated(
    found: Verdicts, classes: Sequence[str], *, split: Literal["val", "test"], epoch: int
) -> Evaluated:
    """Return what the journal tells."""
    counts = found.tallies()
    numbers = zip(classes, counts.images, counts.taken, counts.correct, strict=True)
    return Evaluated(
        split=split,
        epoch=epoch,
        score=found.score(),
        classes=[
            ClassScore(label=label, count=int(count), predicted=int(taken), correct=int(right))
            for label, count, taken, right in numbers
        ],
    )


def scores(told: Evaluated, found: Verdicts, *, title: str) -> dict[str, Any]:
    """Return the whole table: the score, each class, and how far its confidence can be trusted."""
    is_right = found.predicted == found.labels
    bins = measures.calibration(found.confidence, is_right)
    return {
        "title": title,
        "split": told.split,
        "epoch": told.epoch,
        "score": dataclasses.asdict(told.score),
        "classes": [_class(each) for each in told.classes],
        "calibration": [dataclasses.asdict(each) for each in bins],
    }


def confusion(told: Evaluated, found: Verdicts, *, title: str) -> dict[str, Any]:
    """Return the numbers of the matrix: rows are what images are."""
    classes = [each.label for each in told.classes]
    counts = found.confusion().tolist()
    return {"title": title, "split": told.split, "classes": classes, "counts": counts}


def verdicts(found: Verdicts, classes: Sequence[str], names: Iterable[str]) -> bytes:
    """Return a CSV file with a line for each image, in the order of the verdicts.

    `names` are those of the images. The confidence is the probability of the predicted class.
    """
    file = io.StringIO(newline="")
    table = csv.writer(file, lineterminator="\n")
    table.writerow(VERDICTS)
    told = (found.labels.tolist(), found.predicted.tolist(), found.confidence.tolist())
    for name, label, predicted, confidence in zip(names, *told, strict=True):
        table.writerow((name, classes[label], classes[predicted], repr(confidence)))
    return file.getvalue().encode()


def examples(found: Verdicts) -> NDArray[np.int64]:
    """Return which verdicts to show: the most certain of the wrong ones, then right ones.

    The right ones are taken at equal distances, so that each class has its chance.
    """
    is_right = found.predicted == found.labels
    wrong = np.flatnonzero(~is_right)
    by_certainty = wrong[np.argsort(-found.confidence[wrong], kind="stable")][:SHOWN]
    right = np.flatnonzero(is_right)
    places = np.arange(min(SHOWN, len(right))) * len(right) // max(min(SHOWN, len(right)), 1)
    return np.concatenate([by_certainty, right[places]])


def predictions(
    told: Evaluated,
    found: Verdicts,
    shown: NDArray[np.int64],
    images: Iterable[tuple[str, Pixels]],
    *,
    title: str,
) -> dict[str, Any]:
    """Return the numbers and images of some examples; `images` are their names and pixels."""
    labels = [each.label for each in told.classes]
    return {
        "title": title,
        "split": told.split,
        "images": found.count,
        "wrong": found.count - found.correct,
        "tiles": [
            {
                "name": name,
                "label": labels[found.labels[place]],
                "predicted": labels[found.predicted[place]],
                "probability": float(found.confidence[place]),
                "png": tiles.packed(pixels),
            }
            for place, (name, pixels) in zip(shown, images, strict=True)
        ],
    }


def _class(score: ClassScore) -> dict[str, Any]:
    return {
        **dataclasses.asdict(score),
        "recall": score.correct / score.count if score.count else None,
        "precision": score.correct / score.predicted if score.predicted else None,
    }
