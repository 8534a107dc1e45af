"""Several jobs with one `ftctl submit`."""

import io
import json
import sys

import grpc
import pytest

from finetuned.v1 import job_service_pb2 as pb
from ftctl.cli import dispatch, parser
from tests.fakes.refusals import Refusal, invalid
from tests.fakes.scripted_daemon import plan_json

TWO = """\
# A pair.
---
name: pretrain
train: {epochs: 2}
---
name: tune
after: [pretrain, elsewhere]
model: {weights: job:pretrain/best}
train: {epochs: 3}
"""


@pytest.fixture
def ftctl(daemon, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pair.yaml").write_text(TWO)
    (tmp_path / "third.yaml").write_text("name: third\n")

    async def run(*words):
        given = ["--socket", str(daemon.socket), *words]
        code = await dispatch.call(parser(given).parse_args(given))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def sent(daemon):
    return [
        request
        for request in daemon.requests
        if isinstance(request, pb.SubmitJobRequest) and not request.validate_only
    ]


def asked(daemon):
    return [request for request in daemon.requests if isinstance(request, pb.SubmitJobRequest)]


def answering(daemon, monkeypatch, refusal_of):
    """Let the daemon refuse, by name and whether it is only asked, what a test says."""
    submit = daemon.SubmitJob

    async def chosen(request, context):
        daemon.refusal = refusal_of(request.spec.name, request.validate_only)
        return await submit(request, context)

    monkeypatch.setattr(daemon, "SubmitJob", chosen)


async def restarted(daemon):
    await daemon.stop()
    await daemon.start()


async def test_several_files_and_documents_are_submitted_in_their_order(daemon, ftctl):
    code, out, err = await ftctl("submit", "pair.yaml", "third.yaml")

    assert (code, err) == (0, "")
    assert out == "".join(f"submitted {job.spec.name}  {id_}\n" for id_, job in daemon.jobs.items())
    assert [request.spec.name for request in sent(daemon)] == ["pretrain", "tune", "third"]
    assert list(sent(daemon)[1].spec.after) == ["pretrain", "elsewhere"]


async def test_all_are_checked_before_the_first_is_sent(daemon, ftctl):
    await ftctl("submit", "pair.yaml", "third.yaml")

    assert [request.validate_only for request in asked(daemon)] == [True] * 3 + [False] * 3
    # The second is planned as if the first were there.
    assert list(asked(daemon)[1].spec.after) == ["elsewhere"]


async def test_standard_input_may_hold_several_jobs(daemon, ftctl, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(b"name: a\n---\nname: b\n...\n---\n# nothing\n"))
    monkeypatch.setattr(sys, "stdin", stdin)

    code, *_ = await ftctl("submit", "-", "--set", "train.epochs=7")

    assert code == 0
    assert [request.spec.name for request in sent(daemon)] == ["a", "b"]
    assert {
        json.loads(request.spec.recipe_json)["train"]["epochs"] for request in sent(daemon)
    } == {7}


async def test_standard_input_is_read_once(ftctl):
    assert await ftctl("submit", "-", "-") == (
        2, "", "ftctl: - is given twice; standard input can be read once\n"
    )  # fmt: skip


async def test_faults_of_all_jobs_are_told_and_nothing_is_sent(
    daemon, ftctl, monkeypatch, tmp_path
):
    (tmp_path / "third.yaml").write_text("name: third\nqueue: 2\n")
    refusals = {
        "pretrain": invalid(("train.epochs", "should be at least 3")),
        "tune": invalid(("after[0]", "there is no job `elsewhere`")),
    }
    answering(daemon, monkeypatch, lambda name, _: refusals.get(name))
    await restarted(daemon)

    assert await ftctl("submit", "pair.yaml", "third.yaml") == (
        2,
        "",
        "pair.yaml:4:9 (document 1): train.epochs: should be at least 3\n"
        "pair.yaml:7:19 (document 2): after[1]: there is no job `elsewhere`\n"
        "third.yaml:2:1: queue: `queue` is not built in this version; leave it out\n"
        "ftctl: 3 faults; nothing was submitted\n",
    )
    assert daemon.jobs == {}


async def test_files_that_cannot_be_read_are_told_together_without_a_daemon(
    daemon, ftctl, tmp_path
):
    (tmp_path / "pair.yaml").write_text("name: a\n---\ntrain: {epochs: 3\n---\nqueue: 1\n")
    await daemon.stop()

    assert await ftctl("submit", "pair.yaml", "missing.yaml") == (
        2,
        "",
        "pair.yaml:4:1 (document 2): the `{` opened in line 3, column 8 is not closed properly\n"
        "pair.yaml:5:1 (document 3): queue: `queue` is not built in this version; "
        "leave it out\nthere is no file missing.yaml\n"
        "ftctl: 3 faults; nothing was submitted\n",
    )


async def test_weights_of_a_job_sent_before_are_awaited(daemon, ftctl, monkeypatch):
    daemon.plan_json = plan_json()
    refusal = invalid(("model.weights", "there is no job `pretrain`"))
    answering(daemon, monkeypatch, lambda name, asks: refusal if asks and name == "tune" else None)
    await restarted(daemon)

    code, out, _ = await ftctl("submit", "pair.yaml", "--dry-run")

    assert code == 0
    assert out.startswith("1  pretrain\n data      244 training")
    assert out.endswith(
        "2  tune\nthe job is sound as far as can be said: its plan waits for one before it\n"
        "nothing was submitted\n"
    )
    code, out, _ = await ftctl("submit", "pair.yaml", "--dry-run", "-o", "json")
    first, second = json.loads(out)
    assert (code, first["name"], second) == (0, "pretrain", None)
    assert first["plan"] == json.loads(plan_json())
    assert (await ftctl("submit", "pair.yaml"))[0] == 0


async def test_a_name_given_twice_is_a_fault(daemon, ftctl, tmp_path):
    (tmp_path / "third.yaml").write_text("priority: 1\nname: tune\n")

    assert await ftctl("submit", "pair.yaml", "third.yaml") == (
        2,
        "",
        "third.yaml:2:1: name: `tune` is the name of the job at pair.yaml:6:1 (document 2) too; "
        "give each its own\nftctl: 1 fault; nothing was submitted\n",
    )
    assert daemon.jobs == {}


async def test_a_refusal_on_the_way_says_which_and_how_many_are_in(daemon, ftctl, monkeypatch):
    taken = Refusal(grpc.StatusCode.ALREADY_EXISTS, "NAME_TAKEN", "a job `tune` has not ended")
    answering(daemon, monkeypatch, lambda name, asks: None if asks or name != "tune" else taken)
    await restarted(daemon)

    code, out, err = await ftctl("submit", "pair.yaml", "third.yaml")

    [job_id] = daemon.jobs
    assert (code, out) == (2, f"submitted pretrain  {job_id}\n")
    assert err == (
        "ftctl: 1 job submitted, 2 not\nftctl: pair.yaml (document 2): a job `tune` has not ended\n"
    )


async def test_watch_is_for_one_job(daemon, ftctl):
    code, out, err = await ftctl("submit", "pair.yaml", "--watch")

    assert (code, out) == (2, "")
    assert err == (
        "ftctl: --watch follows one job, and these are 2; submit them without it, then "
        f"`ftctl --socket {daemon.socket} watch JOB` follows each\n"
    )
    assert asked(daemon) == []


async def test_a_single_document_among_marks_is_a_single_job(daemon, ftctl, tmp_path):
    (tmp_path / "one.yaml").write_text("%YAML 1.2\n---\nname: one\nqueue: 1\n...\n")

    assert await ftctl("submit", "one.yaml", "--watch") == (
        2,
        "",
        "one.yaml:4:1: queue: `queue` is not built in this version; leave it out\n"
        "ftctl: 1 fault; nothing was submitted\n",
    )
