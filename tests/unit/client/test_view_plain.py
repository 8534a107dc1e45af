"""Events as plain lines, for pipes."""

import io
from dataclasses import replace
from datetime import timedelta

from finetuned.v1 import event_pb2, job_pb2
from ftctl import wire
from ftctl.models import ProgressMade
from ftctl.view import plain, plan
from tests.fakes import story
from tests.fakes.views import drawn, terminal, told


async def test_events_are_one_plain_line_each():
    lines = [plain.line(event) for event in await told(epochs=1)]

    assert lines == [
        "2026-11-21T03:04:06Z  queued      plan pending",
        "2026-11-21T03:04:07Z  planned     2 classes, 244 + 153 images, 2,562 of 2,226,434 "
        "parameters train, 1 epoch, 61 steps",
        "2026-11-21T03:04:08Z  starting",
        "2026-11-21T03:04:09Z  running",
        "2026-11-21T03:04:10Z  progress    epoch 0/1, step 0/61, loss 0.7000, 0.0 img/s, setup",
        "2026-11-21T03:04:11Z  progress    epoch 1/1, step 20/61, loss 0.6659, 112 img/s, training",
        "2026-11-21T03:04:12Z  progress    epoch 1/1, step 40/61, loss 0.6334, 112 img/s, training",
        "2026-11-21T03:04:13Z  progress    epoch 1/1, step 61/61, loss 0.6010, 112 img/s, training",
        "2026-11-21T03:04:14Z  progress    epoch 1/1, step 61/61, loss 0.6010, 112 img/s, "
        "evaluating",
        "2026-11-21T03:04:15Z  epoch       1: train loss 0.5703 acc 66.0 %, "
        "val loss 0.4905 acc 70.6 % (62.9–77.2), lr 1e-3, 112 img/s, 431 MB, 4.1s, best",
        f"2026-11-21T03:04:16Z  checkpoint  last of epoch 1: {story.RUN}/checkpoints/last",
        f"2026-11-21T03:04:17Z  checkpoint  best of epoch 1: {story.RUN}/checkpoints/best",
        "2026-11-21T03:04:18Z  progress    epoch 1/1, step 61/61, loss 0.6010, 112 img/s, "
        "exporting",
        f"2026-11-21T03:04:19Z  artifact    model: {story.RUN}/artifacts/model.safetensors",
        f"2026-11-21T03:04:20Z  artifact    picture/curves: {story.RUN}/artifacts/curves.png",
        "2026-11-21T03:04:21Z  succeeded   completed: trained 1 epochs",
    ]


async def test_a_failure_is_one_line_with_its_remedy():
    assert plain.line((await told(end=story.failure()))[-1]).endswith(
        "failed      bad_data: train/ants/0013035.jpg cannot be read: image file is truncated "
        "(4 bytes left). repair or delete the file, then submit the job again"
    )


async def test_an_evaluation_is_one_line():
    score = job_pb2.Score(
        loss=0.1534, accuracy=0.96, correct=96, count=100, accuracy_low=0.902,
        accuracy_high=0.984, balanced_accuracy=0.955, calibration_error=0.021,
    )  # fmt: skip
    evaluation = job_pb2.Evaluation(split="val", epoch=2, score=score)
    [*_, last] = await told(end={"evaluation": evaluation})

    assert plain.line(last).endswith(
        "evaluated   val: loss 0.1534 acc 96.0 % (90.2–98.4), balanced 95.5 %, "
        "calibration error 2.1 %"
    )


async def test_what_a_log_says_breaks_no_line():
    [*_, last] = await told(end={"notice": event_pb2.Notice(message="a\nb\x1b[2Jc")})

    assert plain.line(last).endswith("notice      a b [2Jc")


async def test_a_failure_leaves_its_log_on_standard_error():
    out, err = io.StringIO(), io.StringIO()
    with plain.LineView(out=out, err=err) as show:
        for event in await told(end=story.failure()):
            show(event)

    assert out.getvalue().endswith("then submit the job again\n")
    assert err.getvalue() == (
        "| epoch 1 of 25\n| reading train/ants/0013035.jpg\n| BadImage: truncated\n"
    )


async def test_a_pipe_gets_progress_every_ten_seconds_and_all_else_at_once():
    out, events = io.StringIO(), await told(epochs=4)
    with plain.LineView(out=out, err=io.StringIO()) as show:
        for event in events:
            show(event)

    lines = out.getvalue().splitlines()
    assert [line[:20] for line in lines if "  progress  " in line] == [
        "2026-11-21T03:04:10Z", "2026-11-21T03:04:20Z", "2026-11-21T03:04:32Z",
    ]  # fmt: skip
    assert [line for line in lines if "  progress  " not in line] == [
        plain.line(event) for event in events if not isinstance(event, ProgressMade)
    ]


async def test_a_clock_that_was_set_back_silences_no_progress():
    first = next(event for event in await told() if isinstance(event, ProgressMade))
    out = io.StringIO()
    with plain.LineView(out=out, err=io.StringIO()) as show:
        show(first)
        show(replace(first, time=first.time - timedelta(hours=1)))

    assert out.getvalue().count("\n") == 2


def test_a_pipe_is_told_once_that_the_daemon_is_away_and_once_that_it_is_back():
    err = io.StringIO()
    view = plain.LineView(out=io.StringIO(), err=err)
    for seconds in (0.0, None, 0.0, 1.5, 2.5, 3.5, None, 0.0, None):
        view.show_gap(seconds)

    assert err.getvalue() == (
        "ftctl: the daemon is away, trying again; the job goes on\nftctl: the daemon is back\n"
    )


def test_the_plan_of_another_version_is_no_error():
    body = event_pb2.Planned(plan_json='{"format": 2}')
    event = wire.event(event_pb2.JobEvent(sequence=1, planned=body))

    assert plain.line(event).endswith("planned     a plan of another version")
    assert drawn(plan.card(event.plan, {}, terminal(80)), 80).split() == (
        [
            "plan",
            "of",
            "another",
            "version;",
            "`ftctl",
            "get",
            "-o",
            "json`",
            "shows",
            "it",
            "whole",
        ]
    )


def test_the_plan_shows_how_a_scaled_rate_came():
    group = {"name": "head", "tensors": 2, "parameters": 10, "lr": 0.0625, "weight_decay": 0.0}
    rows = plan._groups([{**group, "lr_origin": "0.5 x 128/1024"}, group], None)

    assert [" ".join(str(row).split()) for row in rows] == [
        "group tensors parameters lr decay",
        "head 2 10 0.0625 = 0.5 x 128/1024 0",
        "head 2 10 0.0625 0",
    ]
