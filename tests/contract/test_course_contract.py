"""Runs that end by themselves, skip evaluations, or are repeated, from the real daemon."""

import itertools

import pytest

import ftctl
from ftctl import JobState, OutcomeReason

NUMBERS = itertools.count(1)
TIMEOUT_S = 60
# The fake one tells but runs that go to their end.
pytestmark = pytest.mark.parametrize("socket", ["real"], indirect=True)


def job(**train):
    return {
        "name": f"course-{next(NUMBERS)}",
        "data": {"digits": {"labels_per_class": 4}},
        "model": {"cnn": {"channels": [4, 8]}},
        "train": {"epochs": 3, "batch_size": 8, "optimizer": {"sgd": {"lr": 0.1}}, **train},
    }


def test_a_run_that_improves_no_more_ends_well(socket):
    rule = {"patience": 2, "min_delta": 0.99}

    with ftctl.Client(socket) as client:
        done = client.submit(job(epochs=9, early_stopping=rule)).wait(timeout_s=TIMEOUT_S)

    assert (done.state, done.outcome.reason) == (
        JobState.SUCCEEDED, OutcomeReason.STOPPED_EARLY,
    )  # fmt: skip
    assert done.outcome.message == (
        "Ended after epoch 3: validation did not improve any more; its model is that of epoch "
        f"{done.best.epoch}, its best."
    )


def test_epochs_without_an_evaluation_come_without_a_score(socket):
    with ftctl.Client(socket) as client:
        done = client.submit(job(evaluate_every=2)).wait(timeout_s=TIMEOUT_S)
        [listed] = [each for each in client.list() if each.id == done.id]

    assert [epoch.val is None for epoch in done.epochs] == [True, False, False]
    assert listed.best == done.best


def test_repeats_are_told_with_their_spread_and_make_one_model(socket):
    with ftctl.Client(socket) as client:
        done = client.submit(job(repeats=2, epochs=1)).wait(timeout_s=TIMEOUT_S)
        kinds = [artifact.kind for artifact in client.artifacts(done.id)]

    spread = done.outcome.spread
    assert done.outcome.reason is OutcomeReason.COMPLETED
    assert [epoch.repeat for epoch in done.epochs] == [1, 2]
    assert spread.accuracies == tuple(epoch.val.accuracy for epoch in done.epochs)
    assert spread.low < spread.mean < spread.high
    assert {"checkpoint/best", "checkpoint/last", "model"} <= set(kinds)
    assert len(set(kinds)) == len(kinds)
