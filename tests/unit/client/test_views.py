"""How a job looks: as plain lines, as tables of any width, as JSON."""

import io
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from finetuned.v1 import event_pb2, job_pb2
from ftctl import wire
from ftctl.models import EpochEnded, JobState, ProgressMade
from ftctl.view import card, console, epochs, jsontext, plain, plan, table
from ftctl.view.live import LiveView
from ftctl.view.standing import Standing
from tests.fakes import story
from tests.fakes.scripted_daemon import START, plan_json

NOW = START + timedelta(hours=2)
RECIPE = {"model": {"name": "mobilenet_v2"}}
ID = "3f2a9c1b7e604d5f8a1b2c3d4e5f6071"


async def told(*, epochs=2, end=None):
    """Return the events of a job; `end` takes the place of its last one."""
    bodies = [event async for event in story.events(epochs=epochs)]
    if end is not None:
        bodies[-3:] = [end]
    messages = [
        event_pb2.JobEvent(
            job_id=ID,
            sequence=number,
            time=START + timedelta(seconds=number),
            attempt=1,
            **body,
        )
        for number, body in enumerate(bodies, start=1)
    ]
    return [wire.event(message) for message in messages]


def terminal(width):
    return Console(
        file=io.StringIO(), width=width, height=30, force_terminal=True, color_system=None,
        theme=console._THEME, highlight=False, markup=False, emoji=False,
    )  # fmt: skip


def drawn(lines, width):
    out = terminal(width)
    console.show(out, lines)
    return out.file.getvalue()


# --- plain lines ----------------------------------------------------------------------------


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


# --- on a terminal --------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160, 220])
async def test_no_line_of_the_epoch_table_is_wider_than_the_terminal(width):
    columns = epochs.chosen(width)
    records = [event.epoch for event in await told(epochs=25) if isinstance(event, EpochEnded)]
    lines = [*epochs.heading(columns), *(epochs.row(record, columns) for record in records)]

    assert max(line.cell_len for line in lines) <= width
    assert {"epoch", "loss", "acc %"} <= {column.title for column in columns}


def test_eighty_columns_show_everything_but_the_drawing():
    titles = [column.title for column in epochs.chosen(80)]

    assert titles == [
        "epoch", "loss", "acc %", "loss", "acc %", "95 %", "lr", "img/s", "mem", "time",
    ]  # fmt: skip


async def test_the_epoch_table_at_eighty_columns():
    columns = epochs.chosen(80)
    record = next(event.epoch for event in await told() if isinstance(event, EpochEnded))

    assert drawn([*epochs.heading(columns), epochs.row(record, columns)], 80) == (
        "        ─── train ───  ─────── validation ──────\n"
        " epoch    loss  acc %    loss  acc %        95 %      lr  img/s     mem   time\n"
        "     1  0.5703   66.0  0.4905   70.6   62.9–77.2    1e-3    112  431 MB   4.1s ★\n"
    )


async def test_an_evaluation_before_training_has_no_training_figures():
    record = story.epoch(0)
    record.ClearField("train")
    del record.lrs[:]
    event = wire.event(event_pb2.JobEvent(sequence=1, epoch=record))

    assert epochs.row(event.epoch, epochs.chosen(80)).plain.split()[:3] == ["0", "–", "–"]
    assert "0: val loss 0.5900" in plain.line(event)


@pytest.mark.parametrize("width", [60, 80, 160])
@pytest.mark.parametrize("end", [None, story.failure()])
async def test_the_live_view_fits_the_terminal(width, end):
    out = terminal(width)
    with LiveView(name="ants-bees", job_id=ID, recipe=RECIPE, console=out) as show:
        for event in await told(epochs=3, end=end):
            show(event)

    text = out.file.getvalue()
    lines = [line for line in text.splitlines() if "/var/lib/" not in line and "\x1b" not in line]
    assert max(len(line) for line in lines) <= width
    assert "mobilenet_v2, 2,226,434 parameters" in text
    assert ("succeeded after" in text) == (end is None)
    assert ("repair or delete the file" in text.replace("\n           ", " ")) == bool(end)


async def test_the_live_view_ends_with_what_was_reached_and_where_it_lies():
    out = terminal(80)
    with LiveView(name="ants-bees", job_id=ID, recipe=RECIPE, console=out) as show:
        for event in await told(epochs=3):
            show(event)

    ending = out.file.getvalue().split("── succeeded")[1]
    assert ending.splitlines()[1:7] == [
        " best      83.0 % of 153 (76.3–88.1), loss 0.3526, epoch 3",
        f" files     {story.RUN}",
        "           model            artifacts/model.safetensors",
        "           picture/curves   artifacts/curves.png",
        "           checkpoint/best  checkpoints/best",
        "           checkpoint/last  checkpoints/last",
    ]


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (80, " epoch 1 of 2  step 61 of 122  loss 0.6010  112 img/s  0:03 left"),
        (60, " epoch 1 of 2  step 61 of 122  loss 0.6010  0:03 left"),
        (45, " epoch 1 of 2  step 61 of 122  0:03 left"),
    ],
)
async def test_the_line_below_the_bar_leaves_out_what_has_no_room(width, line):
    out = terminal(width)
    with LiveView(name="ants-bees", job_id=ID, recipe=RECIPE, console=out) as show:
        for event in (await told(epochs=2))[:8]:
            show(event)

    assert line in [shown.split("\x1b")[0] for shown in out.file.getvalue().splitlines()]


@pytest.mark.parametrize("shown", [1, 8])
async def test_the_live_view_says_that_the_daemon_is_away_until_it_is_back(shown):
    told_away = " the daemon has been away for 10 s, trying again; the job goes on"
    for gaps, is_told in (([10.2], True), ([0.4], False), ([10.2, None], False)):
        out = terminal(80)
        view = LiveView(name="ants-bees", job_id=ID, recipe=RECIPE, console=out)
        with view as show:
            for event in (await told(epochs=2))[:shown]:
                show(event)
            for seconds in gaps:
                view.show_gap(seconds)

        lines = [line.split("\x1b")[0] for line in out.file.getvalue().splitlines()]
        assert (told_away in lines) == is_told


async def test_a_notice_of_the_plan_is_shown_once():
    message = json.loads(plan_json())["notices"][0]
    out = terminal(80)
    with LiveView(name="ants-bees", job_id=ID, recipe=RECIPE, console=out) as show:
        for event in await told(end={"notice": event_pb2.Notice(message=message)}):
            show(event)

    assert out.file.getvalue().count("is no image and is left out") == 1


async def test_a_cancelled_job_shows_no_trouble():
    cancelled = story.state(
        job_pb2.JOB_STATE_CANCELLED,
        outcome=job_pb2.JobOutcome(
            reason=job_pb2.OUTCOME_REASON_CANCELLED_BY_USER, message="by its user"
        ),
    )
    out = terminal(80)
    with LiveView(name="ants-bees", job_id=ID, recipe=RECIPE, console=out) as show:
        for event in await told(end=cancelled):
            show(event)

    text = out.file.getvalue()
    assert "── cancelled after " in text
    assert "checkpoint/last  last" in text
    assert "by its user" not in text


async def test_time_left_follows_the_pace_of_the_last_steps():
    standing = Standing()
    events = await told(epochs=2)
    for event in events[:8]:
        standing.apply(event)

    # 61 of 122 steps in the three seconds since the first progress.
    assert standing.seconds_left == pytest.approx((122 - 61) * 3 / 61)


def test_the_card_of_a_plan_at_eighty_columns():
    lines = plan.card(json.loads(plan_json()), RECIPE, terminal(80))

    assert drawn(lines, 80) == (
        " data      244 training + 153 validation images, 2 classes\n"
        "           ants 123 + 70 · bees 121 + 83\n"
        " net       mobilenet_v2, 2,226,434 parameters, 2,562 of them train\n"
        " weights   IMAGENET1K_V1, 312 tensors loaded, head new\n"
        "           begin random: classifier.1.weight, classifier.1.bias\n"
        " input     resize 256, crop 224, bilinear, normalised (from weights mobilenet_v2\n"
        "           IMAGENET1K_V1)\n"
        " trains    group  tensors  parameters     lr  decay\n"
        "           head         2       2,562  0.001      0\n"
        " frozen    features run ahead in eval mode, 16 images at a time\n"
        "           52 BatchNorm layers keep statistics\n"
        " steps     25 epochs × 61 = 1,525 steps of 4 images\n"
        " runs on   cpu, 2 threads, 1 loader process, fp32, channels_last\n"
        " note      1 file is no image and is left out: train/ants/imageNotFound.gif\n"
    )


def test_the_card_of_a_small_net_without_weights():
    changes = {
        "parameters_trained": 2226434,
        "weights": {"source": "none", "tensors_loaded": 0, "tensors_new": [], "head": "new"},
        "prefix": [],
        "batch_norm_eval": 0,
        "accumulate": 2,
        "steps": 100,
        "notices": ["the last batch of an epoch has 3 images"],
    }
    recipe = {"model": {"cnn": {"channels": [16, 32]}}}

    text = drawn(plan.card(json.loads(plan_json(**changes)), recipe, terminal(80)), 80)

    assert " net       cnn 16-32, 2,226,434 parameters, all of them train\n" in text
    assert " weights   none: every parameter begins random\n" in text
    assert " frozen" not in text
    assert " steps     25 epochs × 61, cut to 100 steps of 2 × 4 images\n" in text
    assert " note      the last batch of an epoch has 3 images\n" in text


# --- list and get ---------------------------------------------------------------------------


def job(**fields):
    spec = job_pb2.JobSpec(name="ants-bees", recipe_json=json.dumps(RECIPE))
    return wire.job(job_pb2.Job(id=ID, spec=spec, create_time=START, **fields))


def test_the_list_says_where_each_job_stands():
    best = story.epoch(3)
    best.best = True
    running = job(
        state=job_pb2.JOB_STATE_RUNNING,
        epochs=[best],
        progress=job_pb2.Progress(epoch=4, epochs=25, step=200, steps=1525),
    )
    waiting = job(state=job_pb2.JOB_STATE_QUEUED, reason="waits for a job with quite a long name")
    failed = job(
        state=job_pb2.JOB_STATE_FAILED,
        outcome=job_pb2.JobOutcome(reason=job_pb2.OUTCOME_REASON_BAD_DATA),
    )

    lines = table.lines([running, waiting, failed], now=NOW, width=80)

    assert [line.plain for line in lines] == [
        "id        name       state    progress                               best %  age",
        "3f2a9c1b  ants-bees  running  epoch 4/25, 13 %                         83.0  2 h",
        "3f2a9c1b  ants-bees  queued   waits for a job with quite a long na…       –  2 h",
        "3f2a9c1b  ants-bees  failed   bad data                                    –  2 h",
    ]
    narrow = table.lines([running, waiting, failed], now=NOW, width=60)
    assert max(line.cell_len for line in narrow) <= 60
    assert narrow[2].plain.startswith("3f2a9c1b  ants-bees  queued   waits for a job")


@pytest.mark.parametrize("width", [60, 80])
def test_a_list_of_long_names_keeps_one_line_per_job(width):
    spec = job_pb2.JobSpec(name="n" * 63, recipe_json="{}")
    message = job_pb2.Job(
        id=ID, spec=spec, create_time=START, state=job_pb2.JOB_STATE_QUEUED,
        reason="waits for another with quite a long name",
    )  # fmt: skip

    lines = table.lines([wire.job(message)] * 3, now=NOW, width=width)

    shown = drawn(lines, width).splitlines()
    assert len(shown) == 4
    assert all(len(line) <= width and line.endswith("age" if line is shown[0] else "2 h")
               for line in shown)  # fmt: skip
    assert "nnnnnnnnn…" in shown[1]
    assert "wa" in shown[1]


def test_an_empty_list_has_its_heading():
    assert [line.plain for line in table.lines([], now=NOW, width=80)] == [
        "id  name  state  progress  best %  age"
    ]


def test_the_card_puts_the_state_below_a_long_name():
    message = job_pb2.Job(
        id=ID, spec=job_pb2.JobSpec(name="n" * 63, recipe_json="{}"),
        state=job_pb2.JOB_STATE_QUEUED, reason="waits for pretrain",
    )  # fmt: skip

    shown = drawn(card.lines(wire.job(message), now=NOW, console=terminal(100)), 100)

    assert shown.startswith(
        f" {'n' * 63}  {ID}\n state     queued  waits for pretrain\n asks for  1 device\n"
    )


async def test_a_terminal_shows_the_last_lines_of_a_log_cut_at_its_edge():
    log = [f"line {number} " + "y" * 200 for number in range(20)]
    outcome = job_pb2.JobOutcome(reason=job_pb2.OUTCOME_REASON_WORKER_ERROR, log_tail=log)
    failed = job(state=job_pb2.JOB_STATE_FAILED, outcome=outcome)
    end = story.state(job_pb2.JOB_STATE_FAILED, outcome=outcome)
    expected = [line[:68] + "…" for line in log[-10:]]

    got = drawn(card.lines(failed, now=NOW, console=terminal(80)), 80)
    out = terminal(80)
    with LiveView(name="ants-bees", job_id=ID, recipe=RECIPE, console=out) as show:
        for event in await told(end=end):
            show(event)

    for shown in (got, out.file.getvalue()):
        lines = [line[11:] for line in shown.splitlines()]
        start = lines.index(expected[0])
        assert lines[start : start + 10] == expected


def test_the_card_of_a_waiting_job():
    waiting = job(state=job_pb2.JOB_STATE_QUEUED, reason="waits for pretrain")

    assert drawn(card.lines(waiting, now=NOW, console=terminal(80)), 80) == (
        f" ants-bees  {ID}  queued  waits for pretrain\n"
        " times     submitted 2026-11-21T03:04:05Z, 2 h ago\n"
        " asks for  1 device\n"
    )


def test_json_has_stable_names():
    record = story.epoch(1)
    record.best = True
    ended = job(
        state=job_pb2.JOB_STATE_FAILED,
        end_time=START + timedelta(seconds=1.5),
        epochs=[record],
        outcome=job_pb2.JobOutcome(
            reason=job_pb2.OUTCOME_REASON_BAD_RECIPE,
            message="m",
            faults=[job_pb2.RecipeFault(field="train.lr", description="d")],
        ),
        artifacts=[job_pb2.Artifact(kind="model", path="/x")],
    )

    value = json.loads(jsontext.job(ended))

    assert list(value) == [
        "id", "name", "state", "reason", "priority", "devices", "after", "labels", "create_time",
        "start_time", "end_time", "attempt", "outcome", "progress", "best", "epochs", "recipe",
        "plan", "artifacts", "run_dir", "last_sequence",
    ]  # fmt: skip
    assert value["state"] == "failed"
    assert value["end_time"] == "2026-11-21T03:04:06.500Z"
    assert value["outcome"] == {
        "reason": "bad_recipe",
        "message": "m",
        "remedy": "",
        "exit_code": None,
        "signal": None,
        "log_tail": [],
        "faults": [{"field": "train.lr", "description": "d"}],
    }
    assert value["best"] == value["epochs"][0]
    assert list(value["best"]) == [
        "epoch", "step", "train", "val", "lrs", "images_per_second", "memory_bytes", "seconds",
        "best",
    ]  # fmt: skip
    assert list(value["best"]["val"]) == [
        "loss", "accuracy", "correct", "count", "accuracy_low", "accuracy_high",
    ]  # fmt: skip
    assert value["artifacts"] == [{"kind": "model", "path": "/x"}]


def test_every_state_has_a_colour():
    assert set(console.STATE_STYLES) == set(JobState)
