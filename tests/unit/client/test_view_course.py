"""Epochs that were not evaluated, runs that ended early, recipes that were repeated."""

import json

import pytest

import ftctl
from finetuned.v1 import event_pb2, job_pb2
from ftctl import tables, wire
from ftctl.view import card, epochs, jsontext, plain, plan, table
from tests.fakes import story
from tests.fakes.scripted_daemon import START, plan_json
from tests.fakes.views import ID, NOW, RECIPE, drawn, terminal


def unevaluated(number=2):
    record = story.epoch(number)
    record.ClearField("val")
    return record


def job(**fields):
    spec = job_pb2.JobSpec(name="ants-bees", recipe_json=json.dumps(RECIPE))
    return wire.job(job_pb2.Job(id=ID, spec=spec, create_time=START, **fields))


def test_an_epoch_without_an_evaluation_has_no_score():
    record = wire.job(job_pb2.Job(id=ID, epochs=[unevaluated()])).epochs[0]

    assert record.val is None
    assert record.train is not None


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_epoch_table_says_nothing_of_what_was_not_evaluated(width):
    columns = epochs.chosen(width)

    row = epochs.row(job(epochs=[unevaluated()]).epochs[0], columns)

    assert row.plain.split()[0] == "2"
    assert row.plain.count("–") >= 2
    assert row.cell_len <= width


def test_a_line_says_that_an_epoch_was_not_evaluated():
    event = event_pb2.JobEvent(job_id=ID, sequence=1, time=START, epoch=unevaluated())

    assert plain.line(wire.event(event)) == (
        "2026-11-21T03:04:05Z  epoch       2: train loss 0.4887 acc 72.5 %, not evaluated, "
        "lr 1e-3, 112 img/s, 431 MB, 4.1s"
    )


def test_lists_cards_and_figures_bear_epochs_without_a_score():
    running = job(
        state=job_pb2.JOB_STATE_RUNNING,
        epochs=[unevaluated(1), unevaluated(2)],
        progress=job_pb2.Progress(epoch=3, epochs=25, step=150, steps=1525),
    )

    [_, line] = table.lines([running], now=NOW, width=80)
    value = json.loads(jsontext.job(running))

    assert line.plain.split()[-3] == "–"
    assert drawn(card.lines(running, now=NOW, console=terminal(80)), 80)
    assert value["epochs"][0]["val"] is None
    assert value["best"] is None
    figures = tables.Metrics(running.epochs)
    assert figures.rows()[0]["val_accuracy"] is None
    assert "val %" in figures._repr_html_()


def test_an_early_ending_says_so():
    done = job(
        state=job_pb2.JOB_STATE_SUCCEEDED,
        outcome=job_pb2.JobOutcome(
            reason=job_pb2.OUTCOME_REASON_STOPPED_EARLY, message="Ended after epoch 7.", exit_code=0
        ),
    )

    [_, line] = table.lines([done], now=NOW, width=80)

    assert done.outcome.reason is ftctl.OutcomeReason.STOPPED_EARLY
    assert "stopped early" in line.plain
    assert "Ended after epoch 7." in drawn(card.lines(done, now=NOW, console=terminal(80)), 80)


def test_get_tells_what_repeats_came_to():
    spread = job_pb2.Spread(
        accuracies=[0.9, 0.92, 0.94], mean=0.92, deviation=0.02, low=0.8703, high=0.9697
    )
    done = job(
        state=job_pb2.JOB_STATE_SUCCEEDED,
        outcome=job_pb2.JobOutcome(reason=job_pb2.OUTCOME_REASON_COMPLETED, spread=spread),
    )

    shown = drawn(card.lines(done, now=NOW, console=terminal(80)), 80)

    assert (
        " repeats   3 repeats, mean 92.0 % ± 2.0 (95 % interval 87.0–97.0)\n"
        "           90.0 · 92.0 · 94.0\n"
    ) in shown
    assert done.outcome.spread == ftctl.Spread(
        accuracies=(0.9, 0.92, 0.94), mean=0.92, deviation=0.02, low=0.8703, high=0.9697
    )


def test_the_plan_says_why_auto_has_chosen_its_numbers():
    why = "bf16: 2.1 times as fast here as fp32"
    made = json.loads(plan_json()) | {"precision": "bf16", "speed": {"why": why}}

    shown = drawn(plan.card(made, RECIPE, terminal(100)), 100)

    assert f"channels_last\n{' ' * 11}{why}\n" in shown.replace("contiguous", "channels_last")


def test_the_plan_says_by_what_a_net_is_judged():
    train = {
        "ema": {"decay": 0.9, "every": 32, "adjust": True},
        "bn": "recalibrate",
        "evaluate_every": 5,
        "early_stopping": {"patience": 3, "min_delta": 0.0, "metric": "accuracy"},
    }
    made = json.loads(plan_json()) | {"ema_decay": 0.5, "repeats": 3, "precision": "bf16"}

    shown = drawn(plan.card(made, {**RECIPE, "train": train}, terminal(100)), 100)

    for told in (
        "by the mean of the weights: decay 0.5 every 32 steps",
        "with BatchNorm statistics of all training images, taken anew each time",
        "after every 5 epochs, and the last",
        "ends after 3 evaluations without better accuracy",
        ", 3 times over",
        "bf16",
    ):
        assert told in shown
