"""A job and a list of jobs: as cards, as a table, as JSON."""

import json
from datetime import timedelta

import pytest

from finetuned.v1 import job_pb2
from ftctl import JobFailed, wire
from ftctl.cli import codes
from ftctl.devices import DeviceState
from ftctl.jobfile import JobFile
from ftctl.models import JobState, OutcomeReason
from ftctl.view import card, console, jsontext, table, yamlout
from ftctl.view.live import LiveView
from fttrain import yamltext
from tests.fakes import story
from tests.fakes.scripted_daemon import START
from tests.fakes.views import ID, NOW, RECIPE, drawn, terminal, told


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
        "id", "name", "user", "state", "reason", "priority", "devices", "memory_bytes", "after",
        "not_before", "timeout_seconds", "retries", "preemptible", "min_runtime_seconds", "labels",
            "create_time", "start_time", "end_time",
        "attempt", "attempts", "device_seconds", "outcome", "progress", "best", "epochs",
        "recipe", "base", "plan", "artifacts", "run_dir", "last_sequence",
        "is_finishing", "summary", "evaluations", "inexact", "retry_time", "failures",
            "pause_time",
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
        "spread": None,
    }
    assert value["best"] == value["epochs"][0]
    assert list(value["best"]) == [
        "epoch", "step", "train", "val", "lrs", "images_per_second", "memory_bytes", "seconds",
        "best", "repeat", "stage",
    ]  # fmt: skip
    assert list(value["best"]["val"]) == [
        "loss", "accuracy", "correct", "count", "accuracy_low", "accuracy_high",
        "balanced_accuracy", "top5_accuracy", "calibration_error",
    ]  # fmt: skip
    assert value["artifacts"] == [{"kind": "model", "path": "/x"}]


def asking():
    """Return a job that asks for more than most, and has run twice."""
    spec = job_pb2.JobSpec(
        name="ants-bees",
        resources=job_pb2.Resources(devices=2, memory_bytes=11 * 2**30),
        not_before=START + timedelta(hours=1),
        timeout=timedelta(hours=2, minutes=30),
        priority=5,
        recipe_json="{}",
    )
    attempts = [
        job_pb2.Attempt(
            number=1, devices=["sim0", "sim1"], start_time=START,
            end_time=START + timedelta(minutes=4),
        ),
        job_pb2.Attempt(
            number=2, devices=["sim2", "sim3"], start_time=NOW - timedelta(seconds=90)
        ),
    ]  # fmt: skip
    return wire.job(
        job_pb2.Job(
            id=ID, spec=spec, create_time=START, start_time=START, attempt=2, attempts=attempts,
            device_seconds=660, state=job_pb2.JOB_STATE_RUNNING,
        )
    )  # fmt: skip


def test_the_card_says_what_a_job_asked_for_and_where_it_ran():
    assert drawn(card.lines(asking(), now=NOW, console=terminal(80)), 80) == (
        f" ants-bees  {ID}  running\n"
        " times     submitted 2026-11-21T03:04:05Z, 2 h ago\n"
        "           has run for 2 h, attempt 2\n"
        " asks for  2 devices with 11 GiB each, priority 5, not before\n"
        "           2026-11-21T04:04:05Z, timeout 2 h 30 min\n"
        " ran on    attempt 1: sim0, sim1 for 4 min\n"
        "           attempt 2: sim2, sim3 for 1 min 30 s so far\n"
        "           11 min of devices in all\n"
    )


def backing_off(**changes):
    """Return a job that waits after a failure."""
    crashed = job_pb2.JobOutcome(
        reason=job_pb2.OUTCOME_REASON_CRASHED,
        message="The worker crashed in native code: signal 11 (SIGSEGV).",
        remedy="The log has the stacks of all its threads.",
        log_tail=["Fatal Python error: Segmentation fault", "Current thread 0x7f (most recent):",
                  *(f"  frame {n}" for n in range(18))],
    )  # fmt: skip
    attempt = job_pb2.Attempt(
        number=1, devices=["cpu0"], start_time=START, end_time=START + timedelta(seconds=72),
        outcome=crashed,
    )  # fmt: skip
    return job(
        state=job_pb2.JOB_STATE_QUEUED, attempts=[attempt], attempt=1, failures=1,
        reason="backing off until 03:05:18 UTC after: crashed by signal 11 (retry 1 of 3)",
        retry_time=START + timedelta(seconds=73), run_dir="/runs/1", **changes,
    )  # fmt: skip


def test_a_job_that_backs_off_says_what_went_wrong_and_shows_the_top_of_its_stack():
    shown = drawn(card.lines(backing_off(), now=NOW, console=terminal(80)), 80)

    assert "queued  backing off until 03:05:18 UTC" in shown
    assert "\n ran on    cpu0 for 1 min 12 s: crashed\n" in shown
    assert "\n what      The worker crashed in native code: signal 11 (SIGSEGV).\n" in shown
    assert "\n next      The log has the stacks of all its threads.\n" in shown
    assert "Fatal Python error" in shown
    assert "frame 7\n" in shown
    assert "frame 8" not in shown


def test_a_job_whose_result_may_differ_says_why():
    why = "batches of 8 in passes of 4 after memory ran out: sums are rounded otherwise"

    shown = drawn(card.lines(backing_off(inexact=why), now=NOW, console=terminal(100)), 100)

    assert f"\n inexact   {why}\n" in shown


def test_one_attempt_on_one_device_needs_no_number():
    attempt = job_pb2.Attempt(
        number=1, devices=["gpu-3f2a9c1d"], start_time=START, end_time=START + timedelta(seconds=72)
    )
    ended = job(state=job_pb2.JOB_STATE_SUCCEEDED, attempts=[attempt], device_seconds=72)

    shown = drawn(card.lines(ended, now=NOW, console=terminal(80)), 80)

    assert "\n ran on    gpu-3f2a9c1d for 1 min 12 s\n" in shown
    assert "in all" not in shown


def test_json_tells_attempts_and_limits():
    value = json.loads(jsontext.job(asking()))

    assert value["memory_bytes"] == 11 * 2**30
    assert value["not_before"] == "2026-11-21T04:04:05.000Z"
    assert value["timeout_seconds"] == 9000
    assert value["device_seconds"] == 660
    assert value["attempts"][0] == {
        "number": 1,
        "devices": ["sim0", "sim1"],
        "start_time": "2026-11-21T03:04:05.000Z",
        "end_time": "2026-11-21T03:08:05.000Z",
        "outcome": None,
    }
    assert value["attempts"][1]["end_time"] is None


def test_yaml_is_a_job_file_that_asks_for_the_same_again():
    again = JobFile.parse(yamlout.job_file(asking()))

    assert again.faults == ()
    read = wire.job(job_pb2.Job(spec=wire.spec(again.request)))
    assert read.recipe == asking().recipe
    for word in ("name", "devices", "memory_bytes", "priority", "not_before", "timeout_seconds"):
        assert getattr(read, word) == getattr(asking(), word)


def test_yaml_says_no_more_than_was_asked_for():
    text = yamlout.job_file(asking())

    assert set(yamltext.load(text).value) == {
        "name", "resources", "priority", "not_before", "timeout", "retries", *asking().recipe,
    }  # fmt: skip
    assert text.startswith("name: ants-bees\nresources:\n")
    assert "\nnot_before: '2026-11-21T04:04:05.000Z'\ntimeout: 9000.0\n" in text


def test_yaml_keeps_texts_that_look_otherwise():
    labels = {"no": "no: [such] \t# thing, 学習, 1e-3\nthe end\x1b[31m", "1": "1e-3"}
    labelled = wire.job(job_pb2.Job(spec=job_pb2.JobSpec(labels=labels)))

    assert yamltext.load(yamlout.job_file(labelled)).value["labels"] == labels


def test_a_job_that_ran_for_too_long_says_so_everywhere():
    outcome = job_pb2.JobOutcome(
        reason=job_pb2.OUTCOME_REASON_TIMED_OUT,
        message="it ran for 2 h 30 min, its timeout",
        remedy="give it more: timeout: 5h",
    )
    ended = job(state=job_pb2.JOB_STATE_FAILED, outcome=outcome)

    assert ended.outcome.reason is OutcomeReason.TIMED_OUT
    assert "failed  timed out" in table.lines([ended], now=NOW, width=80)[1].plain
    shown = drawn(card.lines(ended, now=NOW, console=terminal(80)), 80)
    assert f" ants-bees  {ID}  failed  timed out\n" in shown
    assert " what      it ran for 2 h 30 min, its timeout\n" in shown
    assert " next      give it more: timeout: 5h\n" in shown
    assert codes.of_job(ended.state, ended.outcome) == codes.JOB_FAILED
    with pytest.raises(JobFailed, match="job ants-bees failed: it ran for 2 h 30 min"):
        ended.check()


@pytest.mark.parametrize("reason", job_pb2.OutcomeReason.keys()[1:])
def test_every_reason_of_the_api_has_a_name_here(reason):
    outcome = job_pb2.JobOutcome(reason=job_pb2.OutcomeReason.Value(reason))
    ended = job(state=job_pb2.JOB_STATE_FAILED, outcome=outcome)

    assert ended.outcome.reason == reason.removeprefix("OUTCOME_REASON_").lower()


def test_every_state_has_a_colour():
    assert set(console.STATE_STYLES) == set(JobState)
    assert set(console.DEVICE_STYLES) == set(DeviceState)
