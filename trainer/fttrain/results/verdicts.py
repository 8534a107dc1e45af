"""What an evaluation made of each image: small enough to keep for any number of classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fttrain.data.order import Indices
from fttrain.events import Score
from fttrain.results import measures
from fttrain.results.measures import Tallies
from fttrain.score import wilson

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What the net says of some images. All arrays are (N,), in the order of evaluation."""

    indices: Indices
    """Which image of the split."""
    labels: Whole
    predicted: Whole
    """The class with the largest logit, of equal ones the first."""
    confidence: NDArray[np.float64]
    """Its probability."""
    rank: Whole
    """So many classes come before the right one; 0: it is the first."""
    surprise: NDArray[np.float64]
    """-log of the probability of its class: the cross entropy, whatever loss the recipe has."""
    loss_sum: float
    classes: int

    @property
    def count(self) -> int:
        """The number of images."""
        return len(self.labels)

    @property
    def correct(self) -> int:
        """The number of images put into their class."""
        return int((self.predicted == self.labels).sum())

    @property
    def loss(self) -> float:
        """Mean loss per image."""
        return self.loss_sum / self.count

    @property
    def accuracy(self) -> float:
        """Share of images put into their class."""
        return self.correct / self.count

    def confusion(self) -> Whole:
        """Return how many images of each class (row) were taken for which (column)."""
        return measures.confusion(self.labels, self.predicted, self.classes)

    def tallies(self) -> Tallies:
        """Return the counts per class, which do for many classes, too."""
        return measures.tallied(self.labels, self.predicted, self.classes)

    def score(self) -> Score:
        """Return the score of at least one image."""
        low, high = wilson(self.correct, self.count)
        is_right = self.predicted == self.labels
        return Score(
            loss=self.loss,
            accuracy=self.accuracy,
            correct=self.correct,
            count=self.count,
            accuracy_low=low,
            accuracy_high=high,
            balanced_accuracy=measures.balanced_accuracy(self.tallies()),
            top5_accuracy=measures.top_accuracy(self.rank, 5) if self.classes > 5 else None,
            calibration_error=measures.calibration_error(self.confidence, is_right),
        )


def judge(logits: Tensor, labels: Tensor, *, indices: Indices, loss: float) -> Verdicts:
    """Return what logits, (N, C), say of images of these classes, (N,); `loss` is their mean."""
    probabilities = logits.float().softmax(1)
    confidence, _ = probabilities.max(1)
    said = logits.double().log_softmax(1).gather(1, labels[:, None])[:, 0]
    return Verdicts(
        indices=indices,
        labels=labels.cpu().numpy(),
        predicted=logits.argmax(1).cpu().numpy(),
        confidence=confidence.double().cpu().numpy(),
        rank=_rank(logits, labels).cpu().numpy(),
        surprise=said.neg().cpu().numpy(),
        loss_sum=loss * len(labels),
        classes=logits.shape[1],
    )


def joined(parts: Sequence[Verdicts]) -> Verdicts:
    """Return the verdicts of at least one batch after another."""
    return Verdicts(
        indices=np.concatenate([part.indices for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        predicted=np.concatenate([part.predicted for part in parts]),
        confidence=np.concatenate([part.confidence for part in parts]),
        rank=np.concatenate([part.rank for part in parts]),
        surprise=np.concatenate([part.surprise for part in parts]),
        loss_sum=sum(part.loss_sum for part in parts),
        classes=parts[0].classes,
    )


def _rank(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many classes come before the right one; equal logits keep their order."""
    own = logits.gather(1, labels[:, None])
    place = torch.arange(logits.shape[1], device=logits.device)
    earlier = (logits == own) & (place < labels[:, None])
    return ((logits > own) | earlier).sum(1)
