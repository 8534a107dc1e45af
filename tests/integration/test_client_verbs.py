"""The verbs that look at jobs, against a daemon's API: what they print, and their exit codes."""

import json

import grpc
import pytest

from finetuned.v1 import job_pb2
from finetuned.v1 import job_service_pb2 as pb
from tests.fakes import story


async def test_watch_prints_each_event_once_over_a_cut(daemon, ftctl):
    job_id = daemon.add("ants-bees")
    await story.tell(daemon, job_id, epochs=1)
    _, whole, _ = await ftctl("watch", "ants-bees")
    daemon.cuts = [(3, grpc.StatusCode.RESOURCE_EXHAUSTED), (2, grpc.StatusCode.UNAVAILABLE)]

    code, out, err = await ftctl("watch", "ants-bees")

    assert (code, out, err) == (0, whole, "")


async def test_watch_of_a_cancelled_job_ends_with_one(daemon, ftctl):
    daemon.add("ants-bees")
    await ftctl("cancel", "ants-bees")

    code, out, _ = await ftctl("watch", "ants-bees")

    assert code == 1
    assert out.endswith("cancelled   cancelled_by_user: cancelled by its user\n")


async def test_cancel_says_what_came_of_it(daemon, ftctl):
    daemon.add("waits")
    await daemon.emit(daemon.add("ended"), **story.failure())

    assert await ftctl("cancel", "waits") == (0, "waits is cancelled\n", "")
    assert await ftctl("cancel", "ended") == (0, "ended had already failed\n", "")


async def test_list_prints_a_table_or_json(daemon, ftctl):
    job_id = daemon.add("ants-bees")
    daemon.add("waits")
    await story.tell(daemon, job_id, epochs=2)

    code, out, _ = await ftctl("list")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == ["id", "name", "state", "progress", "best", "%", "age"]
    assert lines[2].split()[:7] == [
        job_id[:8], "ants-bees", "succeeded", "epoch", "2/2,", "100", "%",
    ]  # fmt: skip

    code, out, _ = await ftctl("list", "--state", "succeeded", "-o", "json")
    assert code == 0
    assert [job["name"] for job in json.loads(out)] == ["ants-bees"]


async def test_in_a_pipe_no_line_of_a_list_or_log_is_cut(daemon, ftctl):
    waiting, failed = daemon.add("waits-" + "x" * 57), daemon.add("failed")
    reason = "waits for " + ", ".join(f"job-{number}" for number in range(20))
    await daemon.emit(waiting, **story.state(job_pb2.JOB_STATE_QUEUED, reason=reason))
    log = [f"line {number} " + "y" * 200 for number in range(20)]
    how = job_pb2.JobOutcome(reason=job_pb2.OUTCOME_REASON_WORKER_ERROR, log_tail=log)
    await daemon.emit(failed, **story.state(job_pb2.JOB_STATE_FAILED, outcome=how))

    _, listed, _ = await ftctl("list")
    _, shown, _ = await ftctl("get", "failed")

    assert listed.count("\n") == 3
    assert f"waits-{'x' * 57}  queued  {reason}" in listed
    assert [line.strip().removeprefix("log       ") for line in shown.splitlines()[-10:]] == (
        log[-10:]
    )


async def test_get_prints_a_card_or_json(daemon, ftctl):
    job_id = daemon.add("ants-bees", recipe_json='{"model":{"name":"mobilenet_v2"}}')
    await story.tell(daemon, job_id, epochs=2)

    code, out, _ = await ftctl("get", job_id[:6])
    assert code == 0
    assert out.startswith(f" ants-bees  {job_id}  succeeded  epoch 2/2, 100 %\n")
    assert max(len(line) for line in out.splitlines() if "/var/" not in line) <= 80
    assert f" files     {story.RUN}/artifacts\n           model           model" in out

    code, out, _ = await ftctl("get", "ants-bees", "-o", "json")
    value = json.loads(out)
    assert code == 0
    assert value["best"]["epoch"] == 2
    assert value["plan"]["steps"] == 122
    assert value["recipe"] == {"model": {"name": "mobilenet_v2"}}


async def test_logs_prints_what_the_worker_wrote(daemon, ftctl):
    await daemon.emit(daemon.add("ants-bees"), **story.state(job_pb2.JOB_STATE_STARTING))
    daemon.log = "epoch 1 of 25\nStraße\n".encode()

    assert await ftctl("logs", "ants-bees", "-f", "-n", "5") == (0, daemon.log.decode(), "")
    [request] = await daemon.asked(pb.TailLogRequest)
    assert (request.follow, request.last_lines) == (True, 5)


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([story.state(job_pb2.JOB_STATE_QUEUED, reason="waits for pretrain")],
         " yet: it is queued (waits for pretrain)"),
        ([story.state(job_pb2.JOB_STATE_STARTING)], " yet: it is starting"),
        ([story.failure()],
         ": it failed before a worker began: train/ants/0013035.jpg cannot be read: "
         "image file is truncated (4 bytes left)"),
        ([story.state(job_pb2.JOB_STATE_CANCELLED, outcome=job_pb2.JobOutcome(message="by you"))],
         ": it was cancelled before a worker began"),
        ([story.state(job_pb2.JOB_STATE_STARTING), story.failure()],
         ": its worker wrote nothing"),
    ],
)  # fmt: skip
async def test_logs_says_why_there_is_none(daemon, ftctl, events, told):
    job_id = daemon.add("ants-bees")
    for event in events:
        await daemon.emit(job_id, **event)

    assert await ftctl("logs", "ants-bees") == (0, "", f"ftctl: ants-bees has no log{told}\n")


async def test_logs_that_follow_say_at_once_what_they_wait_for(daemon, ftctl):
    job_id = daemon.add("ants-bees")
    await daemon.emit(job_id, **story.state(job_pb2.JOB_STATE_QUEUED, reason="plan pending"))
    daemon.log = b"epoch 1 of 25\n"

    assert await ftctl("logs", "-f", "ants-bees") == (
        0,
        "epoch 1 of 25\n",
        "ftctl: ants-bees has no log yet: it is queued (plan pending); it is awaited\n",
    )


@pytest.mark.parametrize("verb", ["watch", "get", "cancel", "logs"])
async def test_an_unknown_job_is_bad_input(ftctl, verb):
    assert await ftctl(verb, "nobody") == (
        2,
        "",
        "ftctl: there is no job `nobody`; `ftctl list` shows all\n",
    )
