"""Measures of a classifier, from counts and confidences. Formulas are in the docstrings."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
MOST_CLASSES = 2_000
"""For which the whole confusion matrix is kept: it has a number for each pair of them."""
Whole = NDArray[np.int64]
Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """The images whose confidence lies in (low, high]; the first has 0 as well."""

    low: float
    high: float
    count: int
    confidence: float
    """Mean; 0 where there is no image."""
    accuracy: float
    """Share that is right; 0 where there is no image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallies:
    """Images per class, each (classes,)."""

    images: Whole
    """That are of it."""
    taken: Whole
    """That were taken for it."""
    correct: Whole
    """Both."""


def confusion(labels: Whole, predicted: Whole, classes: int) -> Whole:
    """Return counts, (classes, classes): row is the class of an image, column what it is called."""
    flat = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64, copy=False)


def tallied(labels: Whole, predicted: Whole, classes: int) -> Tallies:
    """Count per class: the sums of the confusion matrix, without its size."""
    right = labels[labels == predicted]
    images, taken, correct = (
        np.bincount(each, minlength=classes).astype(np.int64, copy=False)
        for each in (labels, predicted, right)
    )
    return Tallies(images=images, taken=taken, correct=correct)


def recall(tallies: Tallies) -> Real:
    """Return of each class the share that was found; NaN where it has no image."""
    return _share(tallies.correct, tallies.images)


def precision(tallies: Tallies) -> Real:
    """Return of what was taken for each class the share that is; NaN where nothing was."""
    return _share(tallies.correct, tallies.taken)


def balanced_accuracy(tallies: Tallies) -> float:
    """Return the mean recall of the classes that have images."""
    return float(np.nanmean(recall(tallies)))


def top_accuracy(rank: Whole, k: int) -> float:
    """Return the share of images whose class is among the first k."""
    return float((rank < k).mean())


def calibration(confidence: Real, is_right: NDArray[np.bool_]) -> list[Bin]:
    """Return 15 bins of equal width over the confidence."""
    place = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    said = np.bincount(place, weights=confidence, minlength=BINS)
    held = np.bincount(place, weights=is_right, minlength=BINS)
    return [
        Bin(
            low=number / BINS,
            high=(number + 1) / BINS,
            count=int(count),
            confidence=float(said[number] / max(count, 1)),
            accuracy=float(held[number] / max(count, 1)),
        )
        for number, count in enumerate(counts)
    ]


def calibration_error(confidence: Real, is_right: NDArray[np.bool_]) -> float:
    """Return the sum over bins of (images / all images) * |accuracy - mean confidence|."""
    bins = calibration(confidence, is_right)
    return sum(b.count * abs(b.accuracy - b.confidence) for b in bins) / len(confidence)


def _share(part: Whole, whole: Whole) -> Real:
    shares: Real = np.full(len(part), np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares
