"""A job on a terminal: the epoch table, the live view, the plan."""

import json
from dataclasses import replace

import pytest

from finetuned.v1 import event_pb2, job_pb2
from ftctl import wire
from ftctl.models import EpochEnded, Planned
from ftctl.view import epochs, plain, plan
from ftctl.view.live import LiveView
from ftctl.view.standing import Standing
from tests.fakes import story
from tests.fakes.scripted_daemon import plan_json
from tests.fakes.views import ID, RECIPE, drawn, terminal, told


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


def in_stages(event):
    """Have a plan of four epochs go through two stages."""
    if not isinstance(event, Planned):
        return event
    whole = {**event.plan, "epochs": 2, "steps": 122, "optimizer_state": "reset"}
    found = [{**whole, "first_epoch": 1}, {**whole, "first_epoch": 3, "optimizer_state": "keep"}]
    return replace(event, plan={**event.plan, "stages": found})


async def test_a_stage_is_told_above_its_epochs_and_below_the_bar():
    out = terminal(100)
    with LiveView(name="ants-bees", job_id=ID, recipe=RECIPE, console=out) as show:
        events = [in_stages(event) for event in await told(epochs=4)]
        for event in events[:-10]:
            show(event)

    text = out.file.getvalue()
    assert " stage 1 of 2 · epochs 1 to 2 · 2,562 parameters train\n     1  0.57" in text
    second = " stage 2 of 2 · epochs 3 to 4 · 2,562 parameters train · optimizer goes on\n"
    assert f"{second}     3  0.42" in text
    assert " epoch 4 of 4  stage 2 of 2  step 203 of 244  loss 0.4214  112 img/s" in text


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
        " net       mobilenet_v2, 2,226,434 parameters, 2,562 of them train (0.12 %)\n"
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


def test_the_card_of_a_plan_says_whether_decoded_images_are_kept():
    def said(**changes):
        card = {"is_kept": True, "bytes_per_image": 150_528, "why": "", "is_batched": False}
        whole = json.loads(plan_json(pictures={**card, **changes}))
        return drawn(plan.card(whole, RECIPE, terminal(100)), 100)

    assert "           decoded once: 151 kB of each image is kept\n" in said()
    small = said(bytes_per_image=3072, is_batched=True)
    assert " 3.1 kB of each image is kept, and taken by the batch\n" in small
    why = said(is_kept=False, why="data.cache is none")
    assert "           decoded images are not kept: data.cache is none\n" in why
    assert "decoded" not in said(is_kept=False)


def test_the_card_of_a_plan_says_whether_what_frozen_blocks_make_is_kept():
    def said(**features):
        card = {"views": 1, "bytes_per_view": 5120, "why": ""} | features
        return drawn(plan.card(json.loads(plan_json(features=card)), RECIPE, terminal(100)), 100)

    kept = said()
    assert "           once for each image: what they make, 5.1 kB in fp32, is kept\n" in kept
    assert " 2 threads, at most 1 loader process, " in kept
    assert " once for each image, for 2 views of it: what they make, " in said(views=2)
    anew = said(views=0, why="augment draws pixels")
    assert "           in each epoch anew: augment draws pixels\n" in anew
    assert " 2 threads, 1 loader process, " in anew
    several = json.loads(plan_json(loader_workers=2))
    assert " 2 loader processes, " in drawn(plan.card(several, RECIPE, terminal(100)), 100)


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


def test_the_plan_tells_of_test_images_and_of_the_split():
    plan_ = json.loads(plan_json())
    plan_["data"] |= {"test": {"images": 21, "per_class": [10, 11]}, "split_digest": "ab" * 32}

    text = drawn(plan.card(plan_, RECIPE, terminal(80)), 80)

    assert " + 153 validation + 21 test images, 2 classes\n" in text
    assert " + 10 · bees " in text
    assert "test images are read once, at the end, by the best checkpoint\n" in text
    assert "split abababababab\n" in text
