"""Lists of files that are refused: all faults at once, and nothing is written."""

from pathlib import Path

import grpc
import pytest

from finetuned.v1 import dataset_pb2
from finetuned.v1 import dataset_service_pb2 as pb
from ftd.datasets import filelist
from ftd.jobs.disk import RESERVE_BYTES
from tests.fakes.listening import Line, details, reason
from tests.fakes.pushing import FLOWERS, Pusher, listed, pieces, stream

List = list[dataset_pb2.DatasetFile]


@pytest.fixture
def pusher(line: Line) -> Pusher:
    return Pusher(channel=line.channel)


async def refused(pusher: Pusher, files: List) -> list[tuple[str, str]]:
    """Return the faults of a list, by field."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await pusher.begin_listed(files)
    assert (error.value.code().name, reason(error.value)) == ("INVALID_ARGUMENT", "INVALID_DATASET")
    violations = details(error.value)["BadRequest"].field_violations
    return [(violation.field, violation.description) for violation in violations]


def written(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "datasets").glob("*/*"))


async def test_all_faults_of_a_list_come_at_once(pusher: Pusher, tmp_path: Path) -> None:
    files = [
        listed("train/a/1.jpg", b"1"),
        listed("../x", b""),
        listed("/etc/passwd", b""),
        listed("a", b"", size_bytes=-1),
        listed("b", b"", sha256=b"short"),
        listed("train/a/1.jpg", b"1"),
        listed("TRAIN/A/1.jpg", b"1"),
        listed("train", b""),
        listed("c", b"1", size_bytes=2),
    ]

    assert await refused(pusher, files) == [
        ("files[1].path", "`../x` holds `.` or `..`; say it from the data set's own folder"),
        ("files[2].path", "`/etc/passwd` is absolute; paths begin within the data set"),
        ("files[3].size_bytes", "`a` has -1 bytes; no file has"),
        ("files[4].sha256", "`b`: its SHA-256 has 5 bytes, not 32"),
        ("files[5].path", "`train/a/1.jpg` is given twice"),
        (
            "files[6].path",
            "`TRAIN/A/1.jpg` and `train/a/1.jpg` differ by case, or by how letters are composed, "
            "alone; elsewhere they are one file: rename one",
        ),
        ("files[7].path", "`train` is a file, and a folder of others too; rename one"),
        (
            "files[0].sha256",
            "`train/a/1.jpg` has the SHA-256 of a file of another size; read both again",
        ),
        (
            "files[5].sha256",
            "`train/a/1.jpg` has the SHA-256 of a file of another size; read both again",
        ),
        (
            "files[6].sha256",
            "`TRAIN/A/1.jpg` has the SHA-256 of a file of another size; read both again",
        ),
        ("files[8].sha256", "`c` has the SHA-256 of a file of another size; read both again"),
    ]
    assert written(tmp_path) == []


async def test_no_files_are_no_data_set(pusher: Pusher, tmp_path: Path) -> None:
    assert await refused(pusher, []) == [
        ("files", "there are none; a data set needs a file at least")
    ]
    assert written(tmp_path) == []


async def test_of_many_faults_the_first_are_told_and_the_rest_counted(pusher: Pusher) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await pusher.begin_listed([listed(f"../{number}", b"") for number in range(500)])

    assert error.value.details() == "the list of files has 500 faults"
    last = details(error.value)["BadRequest"].field_violations[-1]
    assert last.description.startswith("and ")


async def test_a_data_set_beyond_the_limit_is_refused(line: Line, tmp_path: Path) -> None:
    line.office.datasets.limit_bytes = 5

    assert await refused(Pusher(channel=line.channel), [listed("a", b"123456")]) == [
        (
            "files",
            "they have 6 bytes, more than the 5 that a data set may have here (--dataset-limit)",
        )
    ]
    assert written(tmp_path) == []


async def test_more_files_than_can_be_are_refused(
    pusher: Pusher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filelist, "MOST_FILES", 2)

    assert await refused(pusher, [listed(f"{number}", b"") for number in range(3)]) == [
        ("files", "there are more than 2 files; pack small ones together")
    ]
    assert written(tmp_path) == []


async def test_a_push_that_the_disk_cannot_hold_is_refused(line: Line, tmp_path: Path) -> None:
    line.office.datasets.free_bytes = lambda _folder: RESERVE_BYTES + 5

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await Pusher(channel=line.channel).begin(FLOWERS)

    assert (error.value.code().name, reason(error.value)) == ("RESOURCE_EXHAUSTED", "DISK_FULL")
    assert error.value.details() == (
        "the push needs 6 bytes, of which the daemon's disk has 5 bytes to give; remove data sets "
        "or jobs there, or push less"
    )
    assert written(tmp_path) == []


async def test_pushes_that_fitted_one_by_one_leave_the_daemon_its_room(line: Line) -> None:
    pusher = Pusher(channel=line.channel)
    begun = await pusher.begin(FLOWERS)
    line.office.datasets.free_bytes = lambda _folder: RESERVE_BYTES

    told = []
    for call in (
        pusher.send_pieces(pieces(begun.push_id, 0, b"one")),
        pusher.begin_listed([listed("a", b"")], "other"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call
        told.append((reason(error.value), error.value.details()))

    full = "the daemon's disk is full; what has arrived stays: remove data sets or jobs there, and "
    assert told == [("DISK_FULL", f"{full}push again")] * 2


async def test_a_list_for_which_the_disk_has_no_room_is_told(
    pusher: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    smallest = filelist._TABLES.replace("BEGIN;", "PRAGMA max_page_count = 1; BEGIN;")
    monkeypatch.setattr(filelist, "_TABLES", smallest)
    names = (f"{number}" * 200 for number in range(1000))

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await pusher.begin_listed([listed(name[:200], b"") for name in names])

    assert reason(error.value) == "DISK_FULL"


async def test_a_size_that_cannot_be_is_refused(pusher: Pusher) -> None:
    await pusher.push(FLOWERS)

    assert await refused(pusher, [listed("a", b"one", size_bytes=4)]) == [
        ("files[0].size_bytes", "`a`: what has its SHA-256 has 3 bytes, not 4; read it again")
    ]


@pytest.mark.parametrize("name", ["", "Flowers", "-a", "a/b", "x" * 64, "é"])
async def test_what_is_no_name_is_refused(pusher: Pusher, tmp_path: Path, name: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await pusher.begin(FLOWERS, name)

    assert reason(error.value) == "INVALID_ARGUMENT"
    assert error.value.details() == (
        f"name: `{name[:63]}` is not a name: 1 to 63 of a-z, 0-9 and -, beginning and ending with "
        "a letter or digit"
    )
    assert written(tmp_path) == []


async def test_a_part_that_is_too_long_is_refused(pusher: Pusher, tmp_path: Path) -> None:
    files = [listed(f"{number}", b"") for number in range(1001)]
    requests = [pb.BeginPushRequest(name="a", files=files)]

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await pusher.stub.BeginPush(stream(requests)).read()

    assert error.value.details() == "files: 1001 in one request; at most 1000"
    assert written(tmp_path) == []


async def test_a_disk_that_fills_up_meanwhile_keeps_what_arrived(
    line: Line, pusher: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = await pusher.begin(FLOWERS)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("ftd.datasets.arrivals.append", full)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await pusher.send_pieces(pieces(begun.push_id, 0, b"one"))

    assert reason(error.value) == "DISK_FULL"
    assert error.value.details() == (
        "the daemon's disk is full; what has arrived stays: remove data sets or jobs there, and "
        "push again"
    )
    await pusher.send(begun, FLOWERS)
    assert (await pusher.finish(begun.push_id)).files == 3
