"""Watching a job over the API: each event once, in order, from any point, in equal bytes."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from finetuned.v1 import job_pb2
from finetuned.v1.event_pb2 import JobEvent
from finetuned.v1.job_service_pb2 import SubmitJobRequest, WatchJobRequest
from tests.fakes import jobs
from tests.fakes.listening import Line, details, listening, reason, rest, spec
from tests.wait import wait_until


async def submit(line: Line, name: str = "ants") -> str:
    reply = await line.jobs.SubmitJob(SubmitJobRequest(spec=spec(name)))
    return str(reply.job.id)


def watch(line: Line, after: int = 0, job: str = "ants") -> Any:
    return line.jobs.WatchJob(WatchJobRequest(job=job, after_sequence=after))


async def collect(call: Any) -> list[JobEvent]:
    return [reply.event for reply in await rest(call)]


async def train(line: Line, job: str, *, epochs: int = 3) -> None:
    await line.office.start(job)
    for number in range(1, epochs + 1):
        await line.office.happen(job, jobs.progress(number), jobs.epoch(number))
        await line.office.happen(job, jobs.checkpoint("last", number))
    await line.office.happen(job, jobs.notice(), jobs.artifact())
    await line.office.succeed(job)


async def test_a_watcher_gets_every_event_of_a_job_and_then_the_end(line: Line) -> None:
    job = await submit(line)
    call = watch(line)
    first = (await call.read()).event

    await train(line, job)

    events = [first, *await collect(call)]
    assert [event.sequence for event in events] == list(range(1, 16))
    assert events[0].state_changed.state == job_pb2.JOB_STATE_QUEUED
    assert [event.epoch.epoch for event in events if event.HasField("epoch")] == [1, 2, 3]
    assert events[-1].state_changed.state == job_pb2.JOB_STATE_SUCCEEDED
    assert events[-1].state_changed.outcome.reason == job_pb2.OUTCOME_REASON_COMPLETED


async def test_an_event_reaches_a_watcher_before_the_next_one_happens(line: Line) -> None:
    job = await submit(line)
    await line.office.start(job)
    call = watch(line, after=3)

    for number in range(1, 4):
        await line.office.happen(job, jobs.epoch(number))
        assert (await call.read()).event.epoch.epoch == number
    call.cancel()


async def test_watchers_live_late_and_resumed_get_equal_bytes(line: Line) -> None:
    job = await submit(line)
    live = [asyncio.ensure_future(collect(watch(line))) for _ in range(2)]
    await wait_until(lambda: line.office.broadcast.watchers == 2)
    await train(line, job)
    late = await collect(watch(line))
    resumed = late[:5] + await collect(watch(line, after=5))

    told = [
        [event.SerializeToString() for event in events]
        for events in (*await asyncio.gather(*live), late, resumed)
    ]

    assert told[0] == told[1] == told[2] == told[3]


@pytest.mark.parametrize(("after", "expected"), [(0, [1, 2, 3, 4]), (2, [3, 4]), (4, []), (99, [])])
async def test_after_sequence_means_the_events_behind_it(
    line: Line, after: int, expected: list[int]
) -> None:
    job = await submit(line)
    await line.office.start(job)
    await line.office.succeed(job)

    assert [event.sequence for event in await collect(watch(line, after))] == expected


async def test_a_negative_after_sequence_is_refused(line: Line) -> None:
    await submit(line)

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await watch(line, -1).read()

    assert error.value.details() == "after_sequence: -1 is negative"
    assert reason(error.value) == "INVALID_ARGUMENT"


async def test_a_reader_that_falls_behind_is_cut_and_resumes_without_loss(
    tmp_path: Path,
) -> None:
    async with listening(tmp_path, capacity=8) as line:
        job = await submit(line)
        await line.office.start(job)
        call = watch(line)
        seen = [(await call.read()).event.sequence for _ in range(3)]
        big = "x" * 100_000  # a few of these fill what the transport holds by itself
        for _ in range(60):
            await line.office.happen(job, jobs.notice(big))
        error = await cut(call, seen)
        await line.office.succeed(job)
        seen += [event.sequence for event in await collect(watch(line, seen[-1]))]

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason(error) == "WATCHER_TOO_SLOW"
    assert error.details() == (
        "8 events wait to be read; resume with after_sequence, the number of the last event "
        "that was seen"
    )
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) == 64


async def cut(call: Any, seen: list[int]) -> grpc.aio.AioRpcError:
    """Read on until the stream is cut; return the error."""
    try:
        while (reply := await call.read()) is not grpc.aio.EOF:
            seen.append(reply.event.sequence)
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the stream ended well")


async def test_a_watcher_that_leaves_leaves_nothing_behind(line: Line) -> None:
    await submit(line)
    call = watch(line)
    await call.read()
    await wait_until(lambda: line.office.broadcast.watchers == 1)

    call.cancel()

    await wait_until(lambda: line.office.broadcast.watchers == 0)


async def test_a_daemon_that_stops_ends_its_watchers_politely(line: Line) -> None:
    await submit(line)
    call = watch(line)
    await call.read()

    await line.listener.stop()

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call.read()
    told = details(error.value)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    assert told["ErrorInfo"].reason == "SHUTTING_DOWN"
    assert told["RetryInfo"].retry_delay.seconds == 2
    assert error.value.details() == (
        "the daemon stops; the job goes on. Watch it again once the daemon is back"
    )


@pytest.mark.slow
async def test_an_idle_watcher_costs_the_daemon_no_cpu(line: Line) -> None:
    await submit(line)
    call = watch(line)
    await call.read()
    process = psutil.Process()
    before = process.cpu_times()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(call.read(), timeout=20)

    after = process.cpu_times()
    used = (after.user - before.user) + (after.system - before.system)
    # Both ends of the connection live in this process, so this is an upper bound.
    assert used / 20 < 0.005
