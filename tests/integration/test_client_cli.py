"""The command against a daemon's API: what it prints, where, and its exit code."""

import json

import grpc
import pytest

from finetuned.v1 import job_pb2
from finetuned.v1 import job_service_pb2 as pb
from tests.fakes import story
from tests.fakes.refusals import Refusal, invalid
from tests.fakes.scripted_daemon import plan_json

JOB = """\
name: ants-bees
data:
  folder: {path: /data/hymenoptera}
model: {name: mobilenet_v2}
train:
  epochs: 25
  optimizer: {sgd: {lr: 1e-3}}
"""


@pytest.fixture
def job_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.yaml").write_text(JOB)
    return "job.yaml"


def told(daemon, *events):
    """Let each submitted job have these events."""

    async def tell(job_id):
        for event in events:
            await daemon.emit(job_id, **event)

    daemon.on_submit = tell


def planned():
    return {"planned": {"plan_json": plan_json()}}


# --- submit ---------------------------------------------------------------------------------


async def test_submit_prints_the_id_and_the_plan(daemon, ftctl, job_file):
    told(daemon, story.state(job_pb2.JOB_STATE_QUEUED, reason="plan pending"), planned())

    code, out, err = await ftctl("submit", job_file)

    [job_id] = daemon.jobs
    assert (code, err) == (0, "")
    assert out.startswith(f"submitted ants-bees  {job_id}\n data      244 training + 153")
    assert " steps     25 epochs × 61 = 1,525 steps of 4 images\n" in out
    assert "\x1b" not in out


async def test_submit_sets_fields(daemon, ftctl, job_file):
    told(daemon, planned())

    code, *_ = await ftctl(
        "submit", job_file, "--set", "train.epochs=3", "--set", "name=short",
        "--set", "train.optimizer={adamw: {lr: 1e-4}}",
    )  # fmt: skip

    [request] = await daemon.asked(pb.SubmitJobRequest)
    assert code == 0
    assert request.spec.name == "short"
    assert json.loads(request.spec.recipe_json)["train"] == {
        "epochs": 3,
        "optimizer": {"adamw": {"lr": 1e-4}},
    }


async def test_faults_of_the_schema_are_told_with_their_places(daemon, ftctl, job_file):
    daemon.refusal = invalid(
        ("train.optimizer.sgd.lr", "should be greater than 0, not -1"),
        ("train.batch_size", "is missing"),
        ("data.folder.pth", "unknown key `pth`; did you mean `path`?"),
    )

    code, out, err = await ftctl("submit", job_file, "--set", "train.optimizer.sgd.lr=-1")

    assert (code, out) == (2, "")
    assert err == (
        "job.yaml:3:3: data.folder.pth: unknown key `pth`; did you mean `path`?\n"
        "job.yaml:5:1: train.batch_size: is missing\n"
        "--set train.optimizer.sgd.lr: should be greater than 0, not -1\n"
        "ftctl: 3 faults; nothing was submitted\n"
    )


async def test_faults_of_the_plan_are_told_with_their_places(daemon, ftctl, job_file):
    failed = story.state(
        job_pb2.JOB_STATE_FAILED,
        outcome=job_pb2.JobOutcome(
            reason=job_pb2.OUTCOME_REASON_BAD_RECIPE,
            message="the recipe does not fit its data",
            faults=[
                job_pb2.RecipeFault(
                    field="data.folder.path", description="there is no folder /data/hymenoptera"
                )
            ],
        ),
    )
    told(daemon, story.state(job_pb2.JOB_STATE_QUEUED, reason="plan pending"), failed)

    code, out, err = await ftctl("submit", job_file)

    assert code == 2
    assert out.startswith("submitted ants-bees  ")
    assert err == (
        "job.yaml:3:12: data.folder.path: there is no folder /data/hymenoptera\n"
        "ftctl: ants-bees ended before it used a device: the recipe does not fit its data\n"
    )

    code, out, err = await ftctl("submit", job_file, "--watch", "--set", "name=again")

    assert code == 2
    assert out.endswith("failed      bad_recipe: the recipe does not fit its data\n")
    assert err == "job.yaml:3:12: data.folder.path: there is no folder /data/hymenoptera\n"


async def test_submit_returns_where_the_plan_waits_for_another_job(daemon, ftctl, job_file):
    reason = "plan waits for pretrain"
    told(
        daemon,
        story.state(job_pb2.JOB_STATE_QUEUED, reason="plan pending"),
        story.state(job_pb2.JOB_STATE_QUEUED, reason=reason),
    )

    code, out, _ = await ftctl("submit", job_file)

    assert code == 0
    assert out.endswith("plan waits for pretrain; the job goes on by itself\n")


async def test_submit_watch_goes_on_to_the_end(daemon, ftctl, job_file):
    told(daemon, *[event async for event in story.events(epochs=2)])

    code, out, err = await ftctl("submit", job_file, "--watch")

    [job_id] = daemon.jobs
    assert (code, err) == (0, "")
    kinds = [event.WhichOneof("event") for event in daemon.events[job_id]]
    # The story takes 23 seconds, and progress is told every ten.
    assert out.count("\n") == len(kinds) - kinds.count("progress") + 2
    assert out.endswith("succeeded   completed: trained 2 epochs\n")


async def test_submit_watch_ends_with_the_code_of_the_job(daemon, ftctl, job_file):
    told(daemon, planned(), story.failure())

    code, _, err = await ftctl("submit", job_file, "--watch")

    assert code == 1
    assert err.startswith("| epoch 1 of 25\n")


async def test_dry_run_prints_the_plan_and_submits_nothing(daemon, ftctl, job_file):
    daemon.plan_json = plan_json()

    code, out, _ = await ftctl("submit", job_file, "--dry-run")

    assert code == 0
    assert out.startswith(" data      244 training")
    assert out.endswith("nothing was submitted\n")
    assert daemon.jobs == {}


async def test_dry_run_as_json_holds_the_whole_plan_and_nothing_else(daemon, ftctl, job_file):
    daemon.plan_json = plan_json()

    code, out, _ = await ftctl("submit", job_file, "--dry-run", "-o", "json")

    assert code == 0
    assert json.loads(out)["plan"] == json.loads(plan_json())
    assert daemon.jobs == {}


async def test_json_is_for_a_dry_run_alone(daemon, ftctl, job_file):
    assert await ftctl("submit", job_file, "-o", "json") == (
        2, "", "ftctl: -o is for --dry-run; `ftctl get JOB -o json` shows a job\n",
    )  # fmt: skip
    assert daemon.jobs == {}


async def test_dry_run_of_a_job_that_needs_another_says_so(daemon, ftctl, job_file):
    code, out, _ = await ftctl("submit", job_file, "--dry-run")

    assert code == 0
    assert out.startswith("the job is sound as far as can be said")


async def test_a_name_in_use_is_bad_input(daemon, ftctl, job_file):
    daemon.refusal = Refusal(
        grpc.StatusCode.ALREADY_EXISTS, "NAME_TAKEN", "a job `ants-bees` has not ended"
    )

    assert await ftctl("submit", job_file) == (2, "", "ftctl: a job `ants-bees` has not ended\n")


async def test_a_file_that_does_not_parse_needs_no_daemon(tmp_path, ftctl, daemon):
    path = tmp_path / "job.yaml"
    path.write_text("name: x\ntrain: {epochs: 3\n")
    await daemon.stop()

    assert await ftctl("submit", str(path)) == (
        2,
        "",
        f"ftctl: {path}:3:1: the `{{` opened in line 2, column 8 is not closed properly\n",
    )


async def test_faults_that_ftctl_finds_itself_need_no_daemon(tmp_path, ftctl, daemon):
    path = tmp_path / "job.yaml"
    path.write_text("name: x\nqueue: 3\ntrain: {epochs: 0}\n")
    await daemon.stop()

    assert await ftctl("submit", str(path)) == (
        2,
        "",
        f"{path}:2:1: queue: `queue` is not built in this version; leave it out\n"
        "ftctl: 1 fault; nothing was submitted\n",
    )


# --- no daemon, or one that fails -----------------------------------------------------------


@pytest.mark.parametrize("words", [["list"], ["get", "x"], ["submit", "job.yaml"], ["watch", "x"]])
async def test_no_daemon_says_how_to_start_one(daemon, ftctl, job_file, words):
    await daemon.stop()

    assert await ftctl(*words) == (
        3,
        "",
        f"ftctl: no daemon answers at {daemon.socket} (there is no such socket); "
        "start one with `ftd serve`, or name its socket with --socket or FTCTL_SOCKET\n",
    )


async def test_a_daemon_that_fails_is_no_fault_of_the_user(daemon, ftctl, job_file):
    daemon.refusal = Refusal(
        grpc.StatusCode.UNAVAILABLE, "PLANNER_UNAVAILABLE", "the planner could not be started"
    )

    assert await ftctl("submit", job_file) == (
        3,
        "",
        "ftctl: the planner could not be started\n",
    )
