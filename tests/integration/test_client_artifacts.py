"""What jobs have made: listed, fetched whole also over cuts, and deleted; usage; an early end."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import ftctl
from ftctl.testing import FakeDaemon
from tests.fakes.calls import Call

JOB = {"name": "ants", "data": {"digits": {}}, "model": {"cnn": {}}, "train": {"epochs": 3}}


@pytest.fixture
def client(fake: FakeDaemon) -> Iterator[ftctl.Client]:
    with ftctl.Client(fake.socket) as client:
        yield client


@pytest.fixture
def trained(fake: FakeDaemon, client: ftctl.Client) -> ftctl.JobHandle:
    handle = client.submit(JOB)
    fake.finish(handle)
    return handle


def content(handle: ftctl.JobHandle, kind: str) -> bytes:
    return f"{kind} of {handle.id}\n".encode() * 100


# --- artifacts ------------------------------------------------------------------------------


async def test_what_a_job_made_is_listed_with_sizes(trained: ftctl.JobHandle, call: Call) -> None:
    code, out, _ = await call("artifacts", "list", "ants")
    _, told, _ = await call("artifacts", "list", "ants", "-o", "json")

    assert code == 0
    assert out.split()[:3] == ["kind", "size", "file"]
    assert [line.split()[0] for line in out.splitlines()[1:]] == [
        "checkpoint/last", "checkpoint/best", "model", "picture/curves", "table/verdicts",
    ]  # fmt: skip
    assert json.loads(told)[2]["size_bytes"] == len(content(trained, "model"))


async def test_pull_puts_model_and_pictures_into_a_folder_of_the_job_s_name(
    trained: ftctl.JobHandle, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    code, out, _ = await call("artifacts", "pull", "ants")

    assert (code, out) == (0, "ants/model.safetensors\nants/curves.png\nants/verdicts.csv\n")
    assert (tmp_path / "ants/model.safetensors").read_bytes() == content(trained, "model")
    assert sorted(path.name for path in (tmp_path / "ants").iterdir()) == [
        "curves.png", "model.safetensors", "verdicts.csv",
    ]  # fmt: skip
    assert await call("artifacts", "pull", "ants", "model") == (
        2, "", "ftctl: ants/model.safetensors: is there already; --force replaces it\n",
    )  # fmt: skip
    code, _, _ = await call("artifacts", "pull", "ants", "model", "--force")
    assert code == 0


async def test_a_checkpoint_is_fetched_where_it_is_named(
    trained: ftctl.JobHandle, call: Call, tmp_path: Path
) -> None:
    code, out, _ = await call("artifacts", "pull", "ants", "checkpoint/best", "-d", str(tmp_path))

    assert (code, out) == (0, f"{tmp_path}/checkpoints/best-3\n")


async def test_what_is_not_there_is_bad_input(
    trained: ftctl.JobHandle, client: ftctl.Client, call: Call
) -> None:
    assert await call("artifacts", "pull", "ants", "modle") == (
        2,
        "",
        "ftctl: job ants has no artifact `modle`; it has checkpoint/last, checkpoint/best, model, "
        "picture/curves, table/verdicts\n",
    )
    client.submit({**JOB, "name": "bees"})
    assert await call("artifacts", "pull", "bees") == (
        2, "", "ftctl: job bees has made nothing to fetch yet\n",
    )  # fmt: skip


@pytest.mark.parametrize("to", [".", "made", "made/modle"])
def test_what_is_not_there_is_said_wherever_it_would_go(
    trained: ftctl.JobHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made").mkdir()

    with pytest.raises(ftctl.ArtifactNotFound, match="job ants has no artifact `modle`; it has"):
        trained.pull("modle", to)

    assert list((tmp_path / "made").iterdir()) == []


def test_a_file_lies_in_the_folder_that_was_named_whatever_a_daemon_calls_it(
    trained: ftctl.JobHandle,
    client: ftctl.Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called = replace(client.artifacts("ants")[2], kind="model", name="../../evil")
    monkeypatch.setattr(ftctl.Client, "artifacts", lambda client, job: (called,))
    (tmp_path / "made").mkdir()

    assert trained.pull("model", tmp_path / "made") == tmp_path / "made" / "evil"


def test_a_pull_writes_through_no_link(
    trained: ftctl.JobHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, guessed = tmp_path / "mine", UUID(int=0)
    mine.write_text("mine")
    (tmp_path / f".model.safetensors.{guessed.hex}.part").symlink_to(mine)
    monkeypatch.setattr("ftctl.part.uuid4", lambda: guessed)

    with pytest.raises(ftctl.BadInput, match="cannot be written: File exists"):
        trained.pull("model", tmp_path)

    assert mine.read_text() == "mine"


def test_a_pull_goes_on_where_it_was_cut(
    fake: FakeDaemon, trained: ftctl.JobHandle, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    fake.refuse_next("PullArtifact", "SHUTTING_DOWN")

    with ftctl.Client(fake.socket) as client:
        place = client.pull("ants", "model", tmp_path, on_progress=lambda *at: told.append(at))

    assert hashlib.sha256(place.read_bytes()).digest() == (
        hashlib.sha256(content(trained, "model")).digest()
    )
    assert told[-1] == (len(content(trained, "model")),) * 2
    assert fake.calls.count("PullArtifact") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_pull_needs_a_folder_and_leaves_nothing_where_it_fails(
    trained: ftctl.JobHandle, tmp_path: Path
) -> None:
    with pytest.raises(ftctl.BadInput) as bad:
        trained.pull(to=tmp_path / "none" / "model.safetensors")
    with pytest.raises(ftctl.ArtifactNotFound):
        trained.pull("modle", tmp_path)

    assert str(bad.value) == (f"there is no folder {tmp_path}/none to put model.safetensors into")
    assert list(tmp_path.iterdir()) == []


# --- delete, finish, usage ------------------------------------------------------------------


async def test_delete_asks_on_a_terminal_and_takes_several(
    fake: FakeDaemon, trained: ftctl.JobHandle, client: ftctl.Client, call: Call
) -> None:
    fake.finish(client.submit({**JOB, "name": "bees"}))

    assert await call("delete", "ants") == (
        2, "", "ftctl: delete asks on a terminal alone; give --yes\n",
    )  # fmt: skip
    code, _, err = await call("delete", "ants", "nothing", "--yes")
    assert code == 2
    assert "nothing" in err
    assert {job.name for job in client.list()} == {"ants", "bees"}
    assert await call("delete", "ants", "bees", "-y") == (
        0, "ants is deleted\nbees is deleted\n", "",
    )  # fmt: skip
    assert list(client.list()) == []


async def test_delete_of_what_goes_on_says_what_to_do(client: ftctl.Client, call: Call) -> None:
    client.submit(JOB)

    assert await call("delete", "ants", "-y") == (
        2,
        "",
        "ftctl: job ants is queued; cancel it first (`ftctl cancel ants`), or wait until it has "
        "ended\n",
    )


async def test_a_job_is_let_end_after_its_epoch(
    fake: FakeDaemon, client: ftctl.Client, call: Call
) -> None:
    handle = client.submit(JOB)
    assert await call("cancel", "--finish", "ants") == (
        2,
        "",
        "ftctl: job ants is queued and has not begun to train; `ftctl cancel ants` ends it\n",
    )
    fake.run_epoch(handle)

    assert await call("cancel", "--finish", "ants") == (
        0, "ants ends after the epoch in progress and exports its best\n", "",
    )  # fmt: skip
    assert handle.get().is_finishing
    fake.finish(handle)

    ended: Any = handle.get()
    assert ended.outcome.reason is ftctl.OutcomeReason.STOPPED_BY_USER
    assert ended.state is ftctl.JobState.SUCCEEDED
    assert not ended.is_finishing
    assert await call("cancel", "--finish", "ants") == (0, "ants had already succeeded\n", "")


async def test_usage_counts_jobs_by_user(
    fake: FakeDaemon, trained: ftctl.JobHandle, client: ftctl.Client, call: Call
) -> None:
    client.submit(JOB)

    _, out, _ = await call("usage")
    _, told, _ = await call("usage", "-o", "json")

    assert [line.split() for line in out.splitlines()] == [
        ["user", "queued", "running", "ended", "device", "time"],
        ["tester", "1", "0", "1", "0.0", "s"],
    ]
    assert json.loads(told) == [
        {"user": "tester", "queued": 1, "running": 0, "ended": 1, "device_seconds": 0.0}
    ]


async def test_list_shows_what_meets_all_filters(client: ftctl.Client, call: Call) -> None:
    for number in range(3):
        labels = {"parity": "odd" if number % 2 else "even"}
        client.submit({**JOB, "name": f"lr-{number}", "labels": labels})

    async def names(*words: str) -> list[str]:
        _, out, _ = await call("list", "-o", "json", *words)
        return [job["name"] for job in json.loads(out)]

    assert await names("--name", "lr-*") == ["lr-2", "lr-1", "lr-0"]
    assert await names("--label", "parity=even", "--state", "queued") == ["lr-2", "lr-0"]
    assert await names("--user", "somebody") == []
    assert await names("-n", "1") == ["lr-2"]
    assert await call("list", "--label", "parity") == (
        2, "", "ftctl: --label parity: say it as KEY=VALUE, such as team=ants\n",
    )  # fmt: skip
    assert await call("list", "-n", "-1") == (
        2, "", "ftctl: -n -1 is negative; say how many of the latest, or leave it out\n",
    )  # fmt: skip
