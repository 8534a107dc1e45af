"""Measures of an evaluation, held against torchmetrics, and against formulas where that differs."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics import functional as oracle

from fttrain.results import measures, verdicts
from fttrain.results.verdicts import Verdicts
from fttrain.score import wilson


def said(images: int, classes: int, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits and labels of a net that is often right; every class has images."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(images) % classes
    logits = torch.randn(images, classes, generator=generator)
    logits[torch.arange(images), labels] += 1.5
    return logits, labels


def judged(logits: torch.Tensor, labels: torch.Tensor) -> Verdicts:
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
    return verdicts.judge(logits, labels, indices=np.arange(len(labels)), loss=loss)


@pytest.mark.parametrize("classes", [2, 3, 10, 102])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_measure_is_that_of_torchmetrics(classes: int, seed: int) -> None:
    logits, labels = said(1020, classes, seed=seed)
    found = judged(logits, labels)
    score, counts = found.score(), found.confusion()
    given: dict[str, Any] = {"preds": logits.softmax(1), "target": labels, "num_classes": classes}

    assert counts.tolist() == oracle.confusion_matrix(**given, task="multiclass").tolist()
    assert score.accuracy == pytest.approx(
        oracle.accuracy(**given, task="multiclass", average="micro").item(), abs=1e-6
    )
    assert score.balanced_accuracy == pytest.approx(
        oracle.accuracy(**given, task="multiclass", average="macro").item(), abs=1e-6
    )
    for ours, theirs in ((measures.recall, oracle.recall), (measures.precision, oracle.precision)):
        expected = theirs(**given, task="multiclass", average="none")
        assert np.nan_to_num(ours(found.tallies())) == pytest.approx(expected.numpy(), abs=1e-6)
    assert score.calibration_error == pytest.approx(
        oracle.calibration_error(**given, task="multiclass", n_bins=15, norm="l1").item(), abs=1e-6
    )
    assert score.loss == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item())


@pytest.mark.parametrize("k", [1, 5])
def test_top_accuracy_is_that_of_torchmetrics(k: int) -> None:
    logits, labels = said(1000, 20)

    theirs = oracle.accuracy(
        logits, labels, task="multiclass", num_classes=20, top_k=k, average="micro"
    )

    assert measures.top_accuracy(judged(logits, labels).rank, k) == pytest.approx(theirs.item())


def test_top_5_is_told_where_there_are_more_than_5_classes() -> None:
    assert judged(*said(60, 5)).score().top5_accuracy is None
    assert judged(*said(60, 6)).score().top5_accuracy is not None


def test_of_equal_logits_the_first_class_counts() -> None:
    found = judged(torch.zeros(3, 3), torch.tensor([0, 1, 2]))

    assert found.predicted.tolist() == [0, 0, 0]
    assert found.rank.tolist() == [0, 1, 2]


def test_a_class_without_images_has_no_recall_and_does_not_count() -> None:
    """torchmetrics counts it as a recall of 0 where something was taken for it."""
    counts = measures.tallied(np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1]), 3)

    assert measures.recall(counts).tolist()[:2] == [0.5, 1.0]
    assert np.isnan(measures.recall(counts)[2])
    assert measures.balanced_accuracy(counts) == (0.5 + 1.0) / 2


def test_a_score_of_100_000_classes_takes_no_room_for_their_pairs() -> None:
    labels = torch.arange(8)
    found = judged(torch.zeros(8, 100_000), labels)

    tracemalloc.start()
    score = found.score()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert score.balanced_accuracy == 1 / 8
    assert most < 10 * 2**20


def test_a_class_that_nothing_was_taken_for_has_no_precision() -> None:
    counts = measures.tallied(np.array([0, 1]), np.array([0, 0]), 2)

    assert measures.precision(counts)[0] == 0.5
    assert np.isnan(measures.precision(counts)[1])


def test_a_certain_net_falls_into_the_last_bin() -> None:
    """torchmetrics gives a confidence of exactly 1 a bin of its own."""
    confidence = np.array([1.0, 0.95, 0.95, 0.2])
    is_right = np.array([True, False, True, False])

    bins = measures.calibration(confidence, is_right)
    error = measures.calibration_error(confidence, is_right)

    assert [each.count for each in bins] == [0, 0, 1, *[0] * 11, 3]
    assert bins[-1].accuracy == pytest.approx(2 / 3)
    assert error == pytest.approx(0.75 * abs(2 / 3 - (1.0 + 0.95 + 0.95) / 3) + 0.25 * abs(0 - 0.2))


def test_batches_together_score_as_one() -> None:
    logits, labels = said(100, 7)
    parts = [
        verdicts.judge(
            logits[a:b],
            labels[a:b],
            indices=np.arange(a, b),
            loss=torch.nn.functional.cross_entropy(logits[a:b], labels[a:b]).item(),
        )
        for a, b in ((0, 32), (32, 64), (64, 100))
    ]

    together, whole = verdicts.joined(parts).score(), judged(logits, labels).score()

    assert together.loss == pytest.approx(whole.loss, rel=1e-6)
    assert together.top5_accuracy == whole.top5_accuracy
    assert together.calibration_error == whole.calibration_error
    assert (together.accuracy_low, together.accuracy_high) == wilson(whole.correct, 100)
