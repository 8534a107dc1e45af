"""Data sets as users see them: named, listed, used by jobs, deleted, and swept when unneeded."""

import asyncio
import hashlib
import os
import threading
from pathlib import Path

import grpc
import pytest

from finetuned.v1 import dataset_service_pb2 as pb
from finetuned.v1 import job_pb2
from finetuned.v1.job_service_pb2 import CancelJobRequest, GetJobRequest, SubmitJobRequest
from ftd.datasets.arrivals import Piece
from ftd.datasets.filelist import Entry, FileList, Summary
from ftd.errors import DatasetInUse, DatasetNotFound
from ftd.jobs.callers import Caller
from tests.fakes.jobs import RECIPE, request
from tests.fakes.listening import Line, details, listening, reason, spec
from tests.fakes.pushing import FLOWERS, Files, Pusher, digest, pieces, stream

OTHERS = {**FLOWERS, "train/a/5.jpg": b"five"}
ALICE = Caller(user="alice", is_admin=False)
BOB = Caller(user="bob", is_admin=False)


@pytest.fixture
def pusher(line: Line) -> Pusher:
    return Pusher(channel=line.channel)


def using(dataset: str) -> str:
    return RECIPE.replace('"digits":{}', f'"dataset":"{dataset}"')


async def submit(line: Line, name: str, dataset: str = "flowers") -> job_pb2.Job:
    told = spec(name, recipe_json=using(dataset))
    return (await line.jobs.SubmitJob(SubmitJobRequest(spec=told))).job


async def refusal(call: object) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call  # type: ignore[misc]
    return reason(error.value), error.value.details() or ""


async def push(line: Line, caller: Caller, files: Files) -> int:
    """Push past the RPC layer, as a user; return how many contents were asked for."""
    depot, contents = line.office.datasets, list(files.values())
    list_of = [
        Entry(path=path, size_bytes=len(content), sha256=hashlib.sha256(content).digest())
        for path, content in files.items()
    ]
    begun = [told async for told in depot.begin(stream([list_of]), name="flowers", caller=caller)]
    sent = [Piece(number=at, offset=0, data=contents[at]) for at, _ in begun[0].files]
    await depot.receive(begun[0].push_id, stream(sent), caller=caller)
    await depot.finish(begun[0].push_id, caller=caller)
    return len(sent)


def versions(tmp_path: Path) -> set[str]:
    return {place.name for place in (tmp_path / "datasets" / "versions").glob("*")}


def contents(tmp_path: Path) -> int:
    return len(list((tmp_path / "datasets" / "blobs").glob("*/*/*")))


async def test_a_data_set_tells_its_folders_and_its_jobs(line: Line, pusher: Pusher) -> None:
    await pusher.push(FLOWERS)
    await submit(line, "ants")

    found = await pusher.get("flowers")

    assert [(each.path, each.files, each.size_bytes) for each in found.folders] == [
        ("train/a", 1, 3), ("train/b", 1, 3), ("val/a", 1, 3),
    ]  # fmt: skip
    assert list(found.used_by) == ["ants"]


async def test_they_are_listed_by_name_in_pages(pusher: Pusher) -> None:
    for name in ("c", "a", "b"):
        await pusher.push(FLOWERS, name)
    names, token = [], ""
    while not names or token:
        request = pb.ListDatasetsRequest(page_size=2, page_token=token)
        reply = await pusher.stub.ListDatasets(request)
        names += [each.name for each in reply.datasets]
        token = reply.next_page_token

    assert names == ["a", "b", "c"]


@pytest.mark.parametrize("token", ["x", "e30=", "W10="])
async def test_a_token_of_another_listing_is_refused(pusher: Pusher, token: str) -> None:
    assert await refusal(pusher.stub.ListDatasets(pb.ListDatasetsRequest(page_token=token))) == (
        "INVALID_PAGE_TOKEN",
        "this page token was not given by ListDatasets; begin again without one",
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("flowes", "did you mean `flowers`?"),
        ("x", "`ftctl dataset push NAME DIR` makes one, `ftctl dataset list` shows all"),
    ],
)
async def test_a_name_that_means_none_has_a_hint(pusher: Pusher, name: str, hint: str) -> None:
    await pusher.push(FLOWERS)
    expected = ("DATASET_NOT_FOUND", f"no data set has the name `{name}`; {hint}")

    assert await refusal(pusher.get(name)) == expected
    assert await refusal(pusher.delete(name)) == expected


async def test_no_name_is_refused(pusher: Pusher) -> None:
    assert await refusal(pusher.get("")) == (
        "INVALID_ARGUMENT",
        "dataset: say which, by its name; USER/NAME for another user's",
    )


async def test_a_job_keeps_the_data_set_that_it_was_submitted_with(
    line: Line, pusher: Pusher, tmp_path: Path
) -> None:
    await pusher.push(FLOWERS)
    job = await submit(line, "ants")

    await pusher.push(OTHERS)
    await line.office.datasets.sweep()

    again = (await line.jobs.GetJob(GetJobRequest(job="ants"))).job
    assert [(used.name, used.digest) for used in again.datasets] == [("flowers", digest(FLOWERS))]
    assert job.datasets == again.datasets
    assert versions(tmp_path) == {digest(FLOWERS), digest(OTHERS)}


async def test_what_nobody_needs_is_swept(line: Line, pusher: Pusher, tmp_path: Path) -> None:
    await pusher.push(FLOWERS)
    await submit(line, "ants")
    await pusher.push(OTHERS)
    assert contents(tmp_path) == 3
    await line.jobs.CancelJob(CancelJobRequest(job="ants"))

    await line.office.datasets.sweep()
    assert versions(tmp_path) == {digest(OTHERS)}
    await pusher.delete("flowers")
    await line.office.datasets.sweep()

    assert versions(tmp_path) == set()
    assert contents(tmp_path) == 0


async def test_a_list_is_let_go_after_its_work_however_often_the_push_is_cancelled(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_sealing, goes_on = threading.Event(), threading.Event()
    done: list[str] = []
    seal, close = FileList.seal, FileList.close

    def sealed(files: FileList, limit_bytes: int) -> Summary:
        is_sealing.set()
        goes_on.wait()
        done.append("sealed")
        return seal(files, limit_bytes)

    def closed(files: FileList) -> None:
        done.append("closed")
        close(files)

    monkeypatch.setattr(FileList, "seal", sealed)
    monkeypatch.setattr(FileList, "close", closed)
    pushing = asyncio.create_task(push(line, ALICE, FLOWERS))
    await asyncio.to_thread(is_sealing.wait)
    for _ in range(3):  # By a caller that is gone, by a server that stops, and by the loop's end.
        pushing.cancel()
        await asyncio.wait([asyncio.create_task(asyncio.to_thread(bool))])
    goes_on.set()

    with pytest.raises(asyncio.CancelledError):
        await pushing
    assert done == ["sealed", "closed"]


async def test_a_stray_file_does_not_hold_the_sweep_up(line: Line, tmp_path: Path) -> None:
    stray = tmp_path / "datasets" / "blobs" / "a" / "b" / "nohup.out"
    stray.parent.mkdir(parents=True)
    stray.touch()

    await line.office.datasets.sweep()

    assert not stray.exists()


async def test_what_a_push_counts_on_is_not_swept(
    line: Line, pusher: Pusher, tmp_path: Path
) -> None:
    await pusher.push(FLOWERS)
    begun = await pusher.begin(OTHERS, "more")
    await pusher.delete("flowers")

    await line.office.datasets.sweep()

    assert contents(tmp_path) == 2
    await pusher.send(begun, OTHERS)
    assert (await pusher.finish(begun.push_id)).digest == digest(OTHERS)


async def test_old_pushes_and_leftovers_are_swept(tmp_path: Path) -> None:
    async with listening(tmp_path) as line:
        begun = await Pusher(channel=line.channel).begin(FLOWERS)
        other = await Pusher(channel=line.channel).begin(OTHERS)
    pushes = tmp_path / "datasets" / "pushes"
    (pushes / ".incoming-0-0" / "content").mkdir(parents=True)
    os.utime(pushes / begun.push_id, (0, 0))

    async with listening(tmp_path) as line:
        await line.office.datasets.sweep()

    assert [place.name for place in pushes.glob("*")] == [other.push_id]


async def test_what_arrived_before_the_machine_started_again_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(tmp_path) as line:
        pusher = Pusher(channel=line.channel)
        begun = await pusher.begin(FLOWERS)
        await pusher.send_pieces(pieces(begun.push_id, 0, b"one"))
    monkeypatch.setattr("fttrain.spec.rundir.boot_id", lambda: "another")

    async with listening(tmp_path) as line:
        assert (await Pusher(channel=line.channel).begin(FLOWERS)).missing == {0: 0, 1: 0}


async def test_a_data_set_in_use_is_not_deleted(line: Line, pusher: Pusher) -> None:
    await pusher.push(FLOWERS)
    await submit(line, "ants")
    await submit(line, "bees")

    assert await refusal(pusher.delete("flowers")) == (
        "DATASET_IN_USE",
        "data set flowers is used by jobs ants, bees, which have not ended; delete it when that "
        "is so",
    )
    for name in ("ants", "bees"):
        await line.jobs.CancelJob(CancelJobRequest(job=name))
    await pusher.delete("flowers")


async def test_a_name_that_a_job_says_wrongly_is_a_fault_of_its_recipe(
    line: Line, pusher: Pusher
) -> None:
    await pusher.push(FLOWERS)

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await submit(line, "ants", "flowes")

    (fault,) = details(error.value)["BadRequest"].field_violations
    assert (fault.field, fault.description) == (
        "data.dataset.name",
        "no data set has the name `flowes`; did you mean `flowers`?",
    )


async def test_users_have_names_of_their_own(line: Line) -> None:
    depot, records = line.office.datasets, line.office.store.datasets
    for caller, files in ((ALICE, FLOWERS), (BOB, OTHERS)):
        await push(line, caller, files)
    admin = Caller(user="root", is_admin=True)

    assert (await records.find("flowers", ALICE)).digest == digest(FLOWERS)
    assert (await records.find("flowers", BOB)).digest == digest(OTHERS)
    assert (await records.find("bob/flowers", admin)).digest == digest(OTHERS)
    assert [each.user for each in (await records.list(9, "", only_of=None))[0]] == ["alice", "bob"]
    assert [each.user for each in (await records.list(9, "", only_of="bob"))[0]] == ["bob"]
    with pytest.raises(DatasetNotFound) as missing:
        await records.find("bob/flowers", ALICE)
    assert str(missing.value).startswith("no data set has the name `bob/flowers`")
    job = request("rooted", recipe_json=using("bob/flowers"))
    await line.office.submit(job, request_id="", caller=admin)
    with pytest.raises(DatasetInUse) as used:
        await depot.delete("flowers", caller=BOB)
    assert str(used.value) == (
        "data set flowers is used by 1 job of other users, which has not ended; delete it when "
        "that is so"
    )


async def test_a_digest_alone_brings_nobody_anothers_file(line: Line) -> None:
    await push(line, ALICE, FLOWERS)

    assert await push(line, BOB, FLOWERS) == 2
