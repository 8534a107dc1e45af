"""Pushing data sets over the API: whole, resumed, joined, and only what is missing."""

import asyncio
import errno
import hashlib
import stat
from pathlib import Path

import grpc
import pytest

from finetuned.v1 import dataset_service_pb2 as pb
from tests.fakes.listening import Line, listening, reason
from tests.fakes.pushing import FLOWERS, PIECE, Pusher, digest, listed, pieces, stream
from tests.wait import wait_until

LARGE = {"train/a/large.bin": bytes(range(256)) * 4096, "train/b/small.bin": b"small"}


@pytest.fixture
def pusher(line: Line) -> Pusher:
    return Pusher(channel=line.channel)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def version(tmp_path: Path, name: str) -> Path:
    return tmp_path / "datasets" / "versions" / name


async def refusal(call: object) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call  # type: ignore[misc]
    return reason(error.value), error.value.details() or ""


async def test_a_push_makes_the_data_set_that_was_listed(pusher: Pusher, tmp_path: Path) -> None:
    made = await pusher.push(FLOWERS)

    assert (made.name, made.files, made.size_bytes) == ("flowers", 3, 9)
    assert made.digest == digest(FLOWERS)
    assert tree(version(tmp_path, made.digest)) == FLOWERS
    modes = {file.stat().st_mode for file in version(tmp_path, made.digest).rglob("*.jpg")}
    assert {stat.S_IMODE(mode) for mode in modes} == {0o400}


async def test_files_of_the_same_content_are_sent_once(pusher: Pusher) -> None:
    begun = await pusher.begin(FLOWERS)

    assert begun.missing == {0: 0, 1: 0}
    assert await pusher.send(begun, FLOWERS) == 6


async def test_empty_and_large_files_arrive(pusher: Pusher, tmp_path: Path) -> None:
    files = {**LARGE, "empty": b""}

    made = await pusher.push(files)

    assert tree(version(tmp_path, made.digest)) == files


async def test_after_a_cut_only_the_rest_is_sent(pusher: Pusher) -> None:
    begun = await pusher.begin(LARGE)
    call = pusher.stub.SendFiles()
    for piece in pieces(begun.push_id, 0, LARGE["train/a/large.bin"])[:3]:
        await call.write(piece)
    found = begun
    while found.missing.get(0) != 3 * PIECE:
        found = await pusher.begin(LARGE)
    call.cancel()

    again = await pusher.begin(LARGE)

    assert again.push_id == begun.push_id
    assert again.missing == {0: 3 * PIECE, 1: 0}
    assert await pusher.send(again, LARGE) == PIECE + 5
    assert (await pusher.finish(again.push_id)).digest == digest(LARGE)


async def test_a_daemon_that_starts_again_knows_what_arrived(tmp_path: Path) -> None:
    async with listening(tmp_path) as line:
        before = Pusher(channel=line.channel)
        begun = await before.begin(LARGE)
        await before.send_pieces(pieces(begun.push_id, 0, LARGE["train/a/large.bin"])[:2])
    async with listening(tmp_path) as line:
        after = Pusher(channel=line.channel)
        await line.office.datasets.sweep()

        again = await after.begin(LARGE)

        assert (again.push_id, again.missing) == (begun.push_id, {0: 2 * PIECE, 1: 0})
        await after.send(again, LARGE)
        assert (await after.finish(again.push_id)).digest == digest(LARGE)


async def test_the_second_time_only_what_changed_is_sent(pusher: Pusher, tmp_path: Path) -> None:
    first = await pusher.push(FLOWERS)
    changed = {**FLOWERS, "train/b/2.jpg": b"changed", "val/b/4.jpg": b"two"}

    begun = await pusher.begin(changed)
    assert begun.missing == {1: 0}
    await pusher.send(begun, changed)
    second = await pusher.finish(begun.push_id)

    assert tree(version(tmp_path, second.digest)) == changed
    assert tree(version(tmp_path, first.digest)) == FLOWERS
    one, other = (version(tmp_path, each.digest) / "train/a/1.jpg" for each in (first, second))
    assert one.stat().st_ino == other.stat().st_ino
    assert (await pusher.get("flowers")).digest == second.digest


async def test_the_same_again_needs_nothing_and_stays_as_it_is(pusher: Pusher) -> None:
    first = await pusher.push(FLOWERS)

    begun = await pusher.begin(FLOWERS)

    assert begun.missing == {}
    assert await pusher.finish(begun.push_id) == first


async def test_a_push_is_finished_more_than_once(pusher: Pusher) -> None:
    begun = await pusher.begin(FLOWERS)
    await pusher.send(begun, FLOWERS)

    made = await asyncio.gather(*(pusher.finish(begun.push_id) for _ in range(3)))

    assert made[0] == made[1] == made[2]


async def test_two_who_push_the_same_help_each_other(pusher: Pusher, tmp_path: Path) -> None:
    begun = await asyncio.gather(*(pusher.begin(LARGE) for _ in range(4)))
    assert len({each.push_id for each in begun}) == 1

    await asyncio.gather(*(pusher.send(each, LARGE) for each in begun))

    made = await pusher.finish(begun[0].push_id)
    assert tree(version(tmp_path, made.digest)) == LARGE


async def test_a_thousand_files_come_in_parts(pusher: Pusher) -> None:
    files = [listed(f"train/{number}", b"%d" % number) for number in range(2500)]
    parts = [files[:1000], files[1000:2000], files[2000:]]
    requests = [pb.BeginPushRequest(name="many", files=part) for part in parts]

    replies = [reply async for reply in pusher.stub.BeginPush(stream(requests))]

    assert [len(reply.missing) for reply in replies] == [1000, 1000, 500]
    assert [file.index for reply in replies for file in reply.missing] == list(range(2500))


@pytest.mark.parametrize("sent", [b"onE", b"one and more"])
async def test_content_that_is_another_is_refused_and_removed(
    pusher: Pusher, tmp_path: Path, sent: bytes
) -> None:
    begun = await pusher.begin(FLOWERS)

    told = await refusal(pusher.send_pieces(pieces(begun.push_id, 0, sent)))

    how = "with another SHA-256 than was announced"
    if len(sent) > 3:
        how = "with more than the 3 bytes announced"
    assert told == (
        "DIGEST_MISMATCH",
        f"`train/a/1.jpg` arrived {how}; it changed meanwhile, or on the way: push again",
    )
    assert not list((tmp_path / "datasets").rglob("*.part"))
    assert (await pusher.begin(FLOWERS)).missing == {0: 0, 1: 0}


async def test_pieces_that_fit_nowhere_are_refused(pusher: Pusher) -> None:
    begun = await pusher.begin(FLOWERS)

    async def told(**piece: object) -> str:
        request = pb.SendFilesRequest(push_id=begun.push_id, **piece)
        kind, text = await refusal(pusher.send_pieces([request]))
        assert kind == "INVALID_ARGUMENT"
        return text

    assert await told(index=3, data=b"x") == "index: 3 is none of the 3 files of this push"
    assert await told(index=-1, data=b"x") == "index: -1 is none of the 3 files of this push"
    assert await told(offset=-1, data=b"x") == "offset: -1 is negative"
    assert await told(offset=1, data=b"ne") == (
        "offset: a piece of file 0 (`train/a/1.jpg`) begins at byte 1, 0 bytes are there; begin "
        "the push again and send what is missing then"
    )
    assert await told() == "data: a piece of file 0 (`train/a/1.jpg`) is empty; the file is not"
    assert await told(data=b"x" * (PIECE + 1)) == ("data: a piece of 262145 bytes; at most 262144")


async def test_a_push_that_lacks_files_is_not_finished(pusher: Pusher, tmp_path: Path) -> None:
    begun = await pusher.begin(FLOWERS)
    await pusher.send_pieces(pieces(begun.push_id, 0, b"one"))

    assert await refusal(pusher.finish(begun.push_id)) == (
        "PUSH_INCOMPLETE",
        "1 of 3 files has not arrived, the first is `train/b/2.jpg`; begin the push again and "
        "send what is missing",
    )
    assert not version(tmp_path, "").exists()


@pytest.mark.parametrize("push_id", ["", "x", "../../etc", "0" * 32])
async def test_a_push_that_is_not_known_is_said(pusher: Pusher, push_id: str) -> None:
    expected = (
        "PUSH_NOT_FOUND",
        f"no push `{push_id}` is known; it is done, or too old: begin it again",
    )

    assert await refusal(pusher.finish(push_id)) == expected
    assert await refusal(pusher.send_pieces(pieces(push_id, 0, b"x"))) == expected


async def test_a_stream_without_a_request_is_refused(pusher: Pusher) -> None:
    assert await refusal(pusher.send_pieces([])) == (
        "INVALID_ARGUMENT",
        "the stream ended before its first request, which says what it is about",
    )


async def test_a_slow_sender_holds_up_nobody(line: Line, pusher: Pusher) -> None:
    begun = await pusher.begin(LARGE)
    slow = [pusher.stub.SendFiles() for _ in range(10)]
    lists = [pusher.stub.BeginPush() for _ in range(10)]
    for call in slow:
        await call.write(pieces(begun.push_id, 0, LARGE["train/a/large.bin"])[0])
    for call in lists:
        await call.write(pb.BeginPushRequest(name="slow", files=[listed("a", b"")]))

    assert (await asyncio.wait_for(pusher.push(FLOWERS), 30)).files == 3
    for call in (*slow, *lists):
        call.cancel()


async def test_what_a_broken_list_brought_is_gone(pusher: Pusher, tmp_path: Path) -> None:
    call = pusher.stub.BeginPush()
    await call.write(pb.BeginPushRequest(name="half", files=[listed("a", b"")]))
    pushes = tmp_path / "datasets" / "pushes"
    await wait_until(lambda: bool(list(pushes.glob("*"))))

    call.cancel()

    await wait_until(lambda: not list(pushes.glob("*")))


@pytest.mark.parametrize(("left", "missing"), [(b"one", {1: 0}), (b"onE", {0: 0, 1: 0})])
async def test_what_a_killed_daemon_had_not_looked_at_is_looked_at_then(
    pusher: Pusher, tmp_path: Path, left: bytes, missing: dict[int, int]
) -> None:
    begun = await pusher.begin(FLOWERS)
    content = tmp_path / "datasets" / "pushes" / begun.push_id / "content"
    (content / f"{hashlib.sha256(b'one').hexdigest()}.part").write_bytes(left)

    assert (await pusher.begin(FLOWERS)).missing == missing


async def test_a_content_with_all_links_that_can_be_is_copied(
    pusher: Pusher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(*_: object) -> None:
        raise OSError(errno.EMLINK, "Too many links")

    monkeypatch.setattr("ftd.datasets.blobs.os.link", no_more)

    made = await pusher.push(FLOWERS)

    assert tree(version(tmp_path, made.digest)) == FLOWERS


async def test_a_stream_that_stays_silent_is_ended(
    pusher: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftd.rpc.pushing.SILENCE_S", 0.01)
    call = pusher.stub.SendFiles()

    assert await refusal(call) == (
        "INVALID_ARGUMENT",
        "nothing came for 0 s; begin again, what has arrived is kept",
    )


async def test_many_who_begin_the_same_push_at_once_get_the_same_one(pusher: Pusher) -> None:
    begun = await asyncio.gather(*(pusher.begin(FLOWERS) for _ in range(16)))

    assert len({each.push_id for each in begun}) == 1
    assert {tuple(each.missing.items()) for each in begun} == {((0, 0), (1, 0))}
