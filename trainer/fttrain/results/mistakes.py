"""Which mistakes are the worst, and what is told of them."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fttrain.data.decode import Pixels
from fttrain.pictures import tiles
from fttrain.pictures.mistakes import OF_A_CLASS, SHOWN
from fttrain.results.verdicts import Verdicts

CLASSES = 6
"""Of which mistakes are kept apart: those with the most of them."""
Places = NDArray[np.int64]


def worst(found: Verdicts) -> Places:
    """Return which verdicts to keep, the highest loss first.

    They are the 24 with the highest loss, the 24 that the net was most certain of, and 6 of each
    of the 6 classes with most mistakes: many are the same.
    """
    wrong = np.flatnonzero(found.predicted != found.labels)
    wrong = wrong[np.argsort(-found.surprise[wrong], kind="stable")]
    certain = wrong[np.argsort(-found.confidence[wrong], kind="stable")]
    kept = {*wrong[:SHOWN].tolist(), *certain[:SHOWN].tolist()}
    for label in _classes(found):
        kept.update(wrong[found.labels[wrong] == label][:OF_A_CLASS].tolist())
    return np.array([place for place in wrong.tolist() if place in kept], np.int64)


def body(
    found: Verdicts,
    shown: Places,
    images: Iterable[tuple[str, Pixels]],
    *,
    classes: Sequence[str],
    title: str,
) -> dict[str, Any]:
    """Return numbers and images of some mistakes; `images` are their names and pixels."""
    return {
        "title": title,
        "split": "val",
        "images": found.count,
        "wrong": found.count - found.correct,
        "classes": [_class(found, label, classes) for label in _classes(found)],
        "tiles": [
            {
                "name": name,
                "label": classes[found.labels[place]],
                "predicted": classes[found.predicted[place]],
                "probability": float(found.confidence[place]),
                "loss": float(found.surprise[place]),
                "png": tiles.packed(pixels),
            }
            for place, (name, pixels) in zip(shown, images, strict=True)
        ],
    }


def _classes(found: Verdicts) -> list[int]:
    """Return the classes with most mistakes, of equal ones the first."""
    wrong = found.labels[found.predicted != found.labels]
    counts = np.bincount(wrong, minlength=found.classes)
    order = np.argsort(-counts, kind="stable")[:CLASSES]
    return [int(label) for label in order if counts[label]]


def _class(found: Verdicts, label: int, classes: Sequence[str]) -> dict[str, Any]:
    own = found.labels == label
    taken = found.predicted[own & (found.predicted != label)]
    counts = np.bincount(taken, minlength=found.classes)
    return {
        "label": classes[label],
        "images": int(own.sum()),
        "wrong": len(taken),
        "taken_for": classes[int(counts.argmax())],
        "times": int(counts.max()),
    }
