"""The log of a job over the API: from any position, from the end, and as it grows."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from finetuned.v1 import job_pb2
from finetuned.v1.job_service_pb2 import SubmitJobRequest, TailLogRequest
from ftd.rpc import log_tail
from tests.fakes.listening import Line, rest, spec
from tests.wait import wait_until


async def submit(line: Line) -> job_pb2.Job:
    return (await line.jobs.SubmitJob(SubmitJobRequest(spec=spec("ants")))).job


async def tail(line: Line, **fields: object) -> tuple[bytes, int]:
    """Return the log that a call tells, and where to go on."""
    data, offset = b"", 0
    async for piece in line.jobs.TailLog(TailLogRequest(job="ants", **fields)):
        assert len(piece.data) <= 64 * 1024
        data, offset = data + piece.data, piece.next_offset
    return data, offset


async def started(line: Line, tmp_path: Path, log: bytes) -> Path:
    job = await submit(line)
    await line.office.start(job.id, run_dir=str(tmp_path))
    path = tmp_path / "log.txt"
    path.write_bytes(log)
    return path


async def test_a_job_that_never_started_has_an_empty_log(line: Line) -> None:
    await submit(line)

    assert await tail(line) == (b"", 0)


async def test_a_job_whose_worker_wrote_nothing_yet_has_an_empty_log(
    line: Line, tmp_path: Path
) -> None:
    (await started(line, tmp_path, b"")).unlink()

    assert await tail(line) == (b"", 0)
    assert await tail(line, last_lines=3) == (b"", 0)


async def test_a_log_comes_in_pieces_from_any_position(line: Line, tmp_path: Path) -> None:
    log = bytes(range(256)) * 1000
    await started(line, tmp_path, log)

    assert await tail(line) == (log, len(log))
    assert await tail(line, offset=100_000) == (log[100_000:], len(log))
    assert await tail(line, offset=len(log) + 1) == (b"", 0)


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("width", [1, 100, 40_000, 70_000])
async def test_the_last_lines_are_found_from_the_end(
    line: Line, tmp_path: Path, width: int, end: bytes
) -> None:
    lines = [f"{number}".encode() * width for number in range(5)]
    await started(line, tmp_path, b"\n".join(lines) + end)

    for count in (1, 2, 5, 99):
        assert (await tail(line, last_lines=count))[0] == b"\n".join(lines[-count:]) + end


async def test_empty_lines_are_lines(line: Line, tmp_path: Path) -> None:
    await started(line, tmp_path, b"a\n\n\n")

    assert (await tail(line, last_lines=2))[0] == b"\n\n"


async def test_a_followed_log_grows_until_the_job_has_ended(line: Line, tmp_path: Path) -> None:
    path = await started(line, tmp_path, b"one\n")
    call = line.jobs.TailLog(TailLogRequest(job="ants", follow=True))
    first = await call.read()

    with path.open("ab") as file:
        file.write(b"two\n")
    second = await call.read()
    with path.open("ab") as file:
        file.write(b"three\n")
    (job,) = line.office.jobs
    await line.office.succeed(job)
    others = [piece.data for piece in await rest(call)]

    assert [first.data, second.data, *others] == [b"one\n", b"two\n", b"three\n"]
    assert second.next_offset == 8


async def test_what_is_written_just_before_the_end_is_not_lost(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await started(line, tmp_path, b"one\n")
    (job,) = line.office.jobs
    pieces = log_tail._pieces

    async def then_the_end(log: Path, offset: int) -> AsyncIterator[log_tail.Piece]:
        async for piece in pieces(log, offset):
            yield piece
        if line.office.jobs[job].end_time is None:
            with path.open("ab") as file:
                file.write(b"last words\n")
            await line.office.succeed(job)
            await wait_until(lambda: line.office.broadcast.watchers == 0)

    monkeypatch.setattr(log_tail, "_pieces", then_the_end)

    assert (await tail(line, follow=True))[0] == b"one\nlast words\n"


async def test_a_log_can_be_followed_before_the_job_starts(line: Line, tmp_path: Path) -> None:
    job = await submit(line)
    call = line.jobs.TailLog(TailLogRequest(job="ants", follow=True))
    reading = asyncio.ensure_future(call.read())
    await wait_until(lambda: line.office.broadcast.watchers == 1)

    (tmp_path / "log.txt").write_bytes(b"one\n")
    await line.office.start(job.id, run_dir=str(tmp_path))

    assert (await reading).data == b"one\n"
    await line.office.succeed(job.id)
    assert await rest(call) == []


async def test_following_a_job_that_is_cancelled_before_it_starts_ends(line: Line) -> None:
    job = await submit(line)
    call = line.jobs.TailLog(TailLogRequest(job="ants", follow=True))
    reading = asyncio.ensure_future(call.read())
    await wait_until(lambda: line.office.broadcast.watchers == 1)

    await line.office.cancel(job.id)

    assert await reading is grpc.aio.EOF


async def test_a_follower_that_leaves_leaves_nothing_behind(line: Line, tmp_path: Path) -> None:
    await started(line, tmp_path, b"one\n")
    call = line.jobs.TailLog(TailLogRequest(job="ants", follow=True))
    await call.read()
    await wait_until(lambda: line.office.broadcast.watchers == 1)

    call.cancel()

    await wait_until(lambda: line.office.broadcast.watchers == 0)


@pytest.mark.parametrize("field", ["offset", "last_lines"])
async def test_a_negative_position_is_refused(line: Line, field: str) -> None:
    await submit(line)

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await tail(line, **{field: -1})

    assert error.value.details() == f"{field}: -1 is negative"
