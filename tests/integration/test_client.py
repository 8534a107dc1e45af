"""The client against a daemon's API over a real socket."""

import asyncio
import json
import socket

import grpc
import pytest

import ftctl
from finetuned.v1 import event_pb2
from finetuned.v1 import job_service_pb2 as pb
from tests.fakes import story
from tests.fakes.refusals import Refusal, invalid
from tests.fakes.scripted_daemon import plan_json

JOB = {
    "name": "ants-bees",
    "data": {"folder": {"path": "/data/hymenoptera"}},
    "model": {"name": "mobilenet_v2"},
    "train": {"epochs": 25, "batch_size": 4, "optimizer": {"sgd": {"lr": 1e-3}}},
}


async def collected(events):
    return [event async for event in events]


async def test_submit_sends_typed_fields_and_the_recipe_as_json(daemon, client):
    handle = await client.submit({**JOB, "priority": 7, "after": ["pretrain"]})

    [request] = await daemon.asked(pb.SubmitJobRequest)
    assert (request.spec.name, request.spec.priority) == ("ants-bees", 7)
    assert list(request.spec.after) == ["pretrain"]
    assert json.loads(request.spec.recipe_json) == {
        key: JOB[key] for key in ("data", "model", "train")
    }
    assert len(request.request_id) == 36
    assert handle.id in daemon.jobs
    assert handle.name == "ants-bees"


async def test_the_recipe_keeps_order_and_integers(daemon, client):
    text = "train: {zeta: 9007199254740993, alpha: 1e-3}\nmodel: {name: x}\n"

    await client.submit(ftctl.JobFile.parse(text))

    [request] = await daemon.asked(pb.SubmitJobRequest)
    assert request.spec.recipe_json == (
        '{"train":{"zeta":9007199254740993,"alpha":0.001},"model":{"name":"x"}}'
    )


async def test_validate_returns_the_plan_and_stores_nothing(daemon, client):
    daemon.plan_json = plan_json()

    job = await client.validate(JOB)

    assert job.id == ""
    assert job.plan["data"]["classes"] == ["ants", "bees"]
    assert daemon.jobs == {}


async def test_faults_of_the_daemon_get_their_places(daemon, client, tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("name: x\nmodel:\n  name: resnet\ntrain:\n  epochs: 3\n  lr: 1\n")
    daemon.refusal = invalid(("train.lr", "unknown key `lr`"), ("data", "is missing"))

    with pytest.raises(ftctl.InvalidJob) as caught:
        await client.submit(path, overrides={"train.epochs": 4})

    assert str(caught.value) == (
        f"{path}:1:1: data: is missing\n{path}:6:3: train.lr: unknown key `lr`"
    )


@pytest.mark.parametrize("ask", ["submit", "validate"])
async def test_faults_of_both_halves_of_a_file_are_told_together(daemon, client, tmp_path, ask):
    path = tmp_path / "job.yaml"
    path.write_text("queue: 3\nname: x\ntrain:\n  lr: 1\npriority: high\n")
    daemon.refusal = invalid(("train.lr", "unknown key `lr`"))

    with pytest.raises(ftctl.InvalidJob) as caught:
        await getattr(client, ask)(path)

    assert [fault.place for fault in caught.value.faults] == [
        f"{path}:{place}" for place in ("1:1", "4:3", "5:1")
    ]
    [request] = await daemon.asked(pb.SubmitJobRequest)
    assert request.validate_only
    assert (request.spec.name, request.spec.priority) == ("x", 0)
    assert request.spec.recipe_json == '{"train":{"lr":1}}'


@pytest.mark.parametrize(
    "refusal",
    [None, Refusal(grpc.StatusCode.UNAVAILABLE, "PLANNER_UNAVAILABLE", "the planner is gone")],
)
async def test_a_job_with_faults_is_never_submitted_whatever_the_daemon_says(
    daemon, client, refusal
):
    daemon.refusal = refusal

    with pytest.raises(ftctl.InvalidJob) as caught:
        await client.submit({**JOB, "queue": 3})

    assert str(caught.value) == "queue: `queue` is not built in this version; leave it out"
    assert daemon.jobs == {}


async def test_overrides_of_a_file_that_is_read_already_are_refused(daemon, client):
    file = ftctl.JobFile.of(JOB)

    with pytest.raises(ftctl.BadInput, match="give its overrides to JobFile"):
        await client.submit(file, overrides={"train.epochs": 3})


async def test_a_taken_name_is_an_error_of_its_own(daemon, client):
    daemon.refusal = Refusal(
        grpc.StatusCode.ALREADY_EXISTS, "NAME_TAKEN", "a job `ants-bees` has not ended"
    )

    with pytest.raises(ftctl.NameTaken, match="a job `ants-bees` has not ended"):
        await client.submit(JOB)


async def test_an_unknown_job_is_an_error_of_its_own(client):
    with pytest.raises(ftctl.JobNotFound, match="there is no job `nobody`"):
        await client.get("nobody")
    with pytest.raises(ftctl.JobNotFound, match="there is no job `nobody`"):
        await collected(client.watch("nobody"))
    with pytest.raises(ftctl.JobNotFound, match="there is no job `nobody`"):
        await collected(client.logs("nobody"))


async def test_get_returns_the_whole_job_in_plain_types(daemon, client):
    job_id = daemon.add("ants-bees", recipe_json='{"model":{"name":"mobilenet_v2"}}')
    await story.tell(daemon, job_id, epochs=3)

    job = await client.get("ants-bees")

    assert job.id == job_id
    assert job.state is ftctl.JobState.SUCCEEDED
    assert job.outcome.reason is ftctl.OutcomeReason.COMPLETED
    assert [epoch.epoch for epoch in job.epochs] == [1, 2, 3]
    assert job.best == max(job.epochs, key=lambda epoch: epoch.val.accuracy)
    assert job.recipe == {"model": {"name": "mobilenet_v2"}}
    assert job.plan["steps"] == 183
    assert [artifact.kind for artifact in job.artifacts] == ["model", "picture/curves"]
    assert job.create_time < job.start_time < job.end_time
    assert job.check() is job


async def test_what_a_newer_daemon_says_is_unknown_and_no_error(daemon, client):
    job_id = daemon.add("new")
    daemon.jobs[job_id].state = 42
    daemon.jobs[job_id].progress.phase = 42

    job = await client.get(job_id)

    assert job.state is ftctl.JobState.UNKNOWN
    assert not job.state.is_terminal
    assert job.progress.phase is ftctl.Phase.UNKNOWN


async def test_list_goes_from_page_to_page(daemon, client):
    for number in range(5):
        daemon.add(f"job-{number}")

    names = [job.name async for job in client.list(page_size=2)]

    assert names == ["job-4", "job-3", "job-2", "job-1", "job-0"]
    assert len(await daemon.asked(pb.ListJobsRequest)) == 3


async def test_list_asks_for_states(daemon, client):
    daemon.add("waits")
    ended = daemon.add("ended")
    await daemon.emit(ended, **story.failure())

    jobs = await collected(client.list(states=[ftctl.JobState.FAILED]))

    assert [job.name for job in jobs] == ["ended"]


async def test_cancel_returns_the_job(daemon, client):
    daemon.add("ants-bees")

    assert (await client.cancel("ants-bees")).state is ftctl.JobState.CANCELLED


async def test_wait_returns_the_job_at_its_end(daemon, client):
    handle = await client.submit(JOB)
    waiting = asyncio.create_task(handle.wait())
    await daemon.asked(pb.WatchJobRequest)
    await story.tell(daemon, handle.id, epochs=1)

    job = await waiting

    assert job.state is ftctl.JobState.SUCCEEDED


async def test_wait_returns_at_once_where_the_job_has_ended(daemon, client):
    job_id = daemon.add("ants-bees")
    await daemon.emit(job_id, **story.failure())

    job = await client.wait("ants-bees")

    assert daemon._of(pb.WatchJobRequest) == []
    with pytest.raises(ftctl.JobFailed, match=r"job ants-bees failed: train/ants/0013035\.jpg"):
        job.check()


async def test_a_handle_reaches_its_job_in_every_way(daemon, client):
    handle = await client.submit(JOB)
    daemon.log = b"hello\n"

    assert (await handle.get()).id == handle.id
    assert "".join(await collected(handle.logs())) == "hello\n"
    assert (await handle.cancel()).state is ftctl.JobState.CANCELLED
    assert [event.state for event in await collected(handle.watch())] == [ftctl.JobState.CANCELLED]


async def test_logs_join_characters_that_were_cut_in_their_middle(daemon, client):
    daemon.add("ants-bees")
    daemon.log = "Straße – 学習 – ok\n".encode() * 3
    daemon.cuts = [(4, grpc.StatusCode.UNAVAILABLE)]

    pieces = await collected(client.logs("ants-bees", last_lines=5))

    assert "".join(pieces) == daemon.log.decode()
    first, second = await daemon.asked(pb.TailLogRequest, 2)
    assert (first.offset, first.last_lines) == (0, 5)
    assert (second.offset, second.last_lines) == (28, 0)


async def test_no_socket_names_the_place_and_the_remedy(tmp_path):
    with pytest.raises(ftctl.DaemonUnreachable) as caught:
        async with ftctl.AsyncClient(tmp_path / "ftd.sock"):
            pass

    assert str(caught.value) == (
        f"no daemon answers at {tmp_path}/ftd.sock (there is no such socket); start one with "
        "`ftd serve`, or name its socket with --socket or FTCTL_SOCKET"
    )


async def test_a_socket_that_a_daemon_left_behind_is_told_apart(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "ftd.sock"))

    with pytest.raises(ftctl.DaemonUnreachable, match=r"\(the daemon that made it has ended\)"):
        async with ftctl.AsyncClient(tmp_path / "ftd.sock"):
            pass


async def test_a_socket_path_beyond_the_limit_is_refused(tmp_path):
    with pytest.raises(ftctl.DaemonUnreachable, match="is longer than the system's 107 bytes"):
        async with ftctl.AsyncClient(tmp_path / ("x" * 120)):
            pass


async def test_a_failure_of_the_daemon_is_told_in_its_words(daemon, client):
    daemon.refusal = Refusal(grpc.StatusCode.INTERNAL, "INTERNAL", "a bug; see the log")

    with pytest.raises(ftctl.DaemonError, match="a bug; see the log"):
        await client.submit(JOB)


async def test_notices_and_checkpoints_are_read(daemon, client):
    job_id = daemon.add("ants-bees")
    await daemon.emit(job_id, notice=event_pb2.Notice(message="one file left out"))
    await daemon.emit(job_id, checkpoint_saved=story.checkpoint("best", 3))
    await daemon.emit(job_id, **story.failure())

    notice, checkpoint, _ = await collected(client.watch(job_id))

    assert notice.message == "one file left out"
    assert (checkpoint.kind, checkpoint.epoch) == ("best", 3)
