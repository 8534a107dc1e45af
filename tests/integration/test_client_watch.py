"""A client that follows a job: typed events, cut streams, gaps."""

import asyncio
from itertools import pairwise

import grpc
import pytest

import ftctl
from finetuned.v1 import job_pb2
from finetuned.v1 import job_service_pb2 as pb
from ftctl._async import stream
from tests.fakes import story

JOB = {
    "name": "ants-bees",
    "data": {"folder": {"path": "/data/hymenoptera"}},
    "model": {"name": "mobilenet_v2"},
    "train": {"epochs": 25, "batch_size": 4, "optimizer": {"sgd": {"lr": 1e-3}}},
}


async def collected(events):
    return [event async for event in events]


async def test_watch_yields_typed_events_until_the_job_ends(daemon, client):
    job_id = daemon.add("ants-bees")
    await story.tell(daemon, job_id, epochs=2)

    events = await collected(client.watch("ants-bees"))

    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert events[0].state is ftctl.JobState.QUEUED
    assert events[1].plan["epochs"] == 2
    epochs = [event.epoch for event in events if isinstance(event, ftctl.EpochEnded)]
    assert [epoch.val.count for epoch in epochs] == [153, 153]
    assert events[-1].outcome.message == "trained 2 epochs"


async def test_watch_goes_on_from_a_sequence_number(daemon, client):
    job_id = daemon.add("ants-bees")
    await story.tell(daemon, job_id, epochs=2)
    whole = await collected(client.watch(job_id))

    assert await collected(client.watch(job_id, after_sequence=9)) == whole[9:]
    assert await collected(client.watch(job_id, after_sequence=len(whole))) == []


@pytest.mark.parametrize(
    "cuts",
    [
        [(0, grpc.StatusCode.UNAVAILABLE)],
        [(3, grpc.StatusCode.RESOURCE_EXHAUSTED)],
        [(1, grpc.StatusCode.UNAVAILABLE)] * 5,
        [(5, grpc.StatusCode.UNAVAILABLE), (0, grpc.StatusCode.UNAVAILABLE)],
    ],
)
async def test_a_cut_watch_goes_on_without_gap_or_duplicate(daemon, client, cuts):
    job_id = daemon.add("ants-bees")
    await story.tell(daemon, job_id, epochs=2)
    daemon.cuts = list(cuts)

    events = await collected(client.watch(job_id))

    assert [event.sequence for event in events] == list(range(1, len(daemon.events[job_id]) + 1))
    assert len(await daemon.asked(pb.WatchJobRequest)) == len(cuts) + 1


async def test_a_cut_watch_stays_with_the_job_it_began_with(daemon, client):
    first = daemon.add("ants-bees")
    await story.tell(daemon, first, epochs=1)
    daemon.cuts = [(2, grpc.StatusCode.UNAVAILABLE)]
    events = client.watch("ants-bees")

    await anext(events)
    daemon.add("ants-bees")
    rest = await collected(events)

    assert {event.job_id for event in rest} == {first}
    again = (await daemon.asked(pb.WatchJobRequest, 2))[1]
    assert (again.job, again.after_sequence) == (first, 2)


async def test_watch_survives_a_restart_of_the_daemon(daemon, client):
    job_id = daemon.add("ants-bees")
    await daemon.emit(job_id, **story.state(job_pb2.JOB_STATE_QUEUED))
    events = client.watch(job_id)
    await anext(events)

    await daemon.stop()
    rest = asyncio.create_task(collected(events))
    await daemon.start()
    await daemon.emit(job_id, **story.failure())

    assert [event.sequence for event in await rest] == [2]


async def test_watch_gives_up_where_the_daemon_stays_away(daemon, tmp_path):
    job_id = daemon.add("ants-bees")
    await daemon.emit(job_id, **story.state(job_pb2.JOB_STATE_QUEUED))
    async with ftctl.AsyncClient(daemon.socket, patience_s=0.3) as client:
        events = client.watch(job_id)
        await anext(events)
        await daemon.stop()

        with pytest.raises(ftctl.WatchInterrupted) as caught:
            await anext(events)

    assert str(caught.value) == (
        f"the daemon at {daemon.socket} has been away for 0.3 s; job {job_id} goes on without it. "
        f"`ftd serve` starts a daemon, `ftctl watch {job_id}` comes back"
    )


@pytest.mark.parametrize("verb", ["watch", "logs"])
async def test_a_cut_is_told_and_that_it_is_over(daemon, client, verb):
    job_id, gaps = daemon.add("ants-bees"), []
    await daemon.emit(job_id, **story.failure())
    daemon.log = b"hello\n"
    daemon.cuts = [(0, grpc.StatusCode.UNAVAILABLE)] * 2

    assert await collected(getattr(client, verb)(job_id, on_gap=gaps.append))

    assert gaps == [0.0, None]


async def test_a_gap_is_told_again_and_again_while_it_lasts(daemon, monkeypatch):
    monkeypatch.setattr(stream, "TELL_EVERY_S", 0.2)
    job_id, gaps = daemon.add("ants-bees"), []
    await daemon.emit(job_id, **story.state(job_pb2.JOB_STATE_QUEUED))
    async with ftctl.AsyncClient(daemon.socket, patience_s=2) as client:
        events = client.watch(job_id, on_gap=gaps.append)
        await anext(events)
        await daemon.stop()

        with pytest.raises(ftctl.WatchInterrupted):
            await anext(events)

    assert gaps[0] == 0.0
    assert len(gaps) >= 3
    assert all(later - earlier >= 0.2 for earlier, later in pairwise(gaps))


async def test_a_stream_that_is_back_and_silent_is_told_to_be_back(daemon, client, monkeypatch):
    monkeypatch.setattr(stream, "STANDS_AFTER_S", 0.2)
    job_id, gaps = daemon.add("ants-bees"), asyncio.Queue()
    await daemon.emit(job_id, **story.state(job_pb2.JOB_STATE_QUEUED))
    handle = ftctl.AsyncJobHandle(client, await client.get(job_id))
    events = handle.watch(on_gap=gaps.put_nowait)
    await anext(events)

    await daemon.stop()
    rest = asyncio.create_task(collected(events))
    assert await gaps.get() == 0.0
    await daemon.start()
    while await gaps.get() is not None:
        pass

    await daemon.emit(job_id, **story.failure())
    assert [event.sequence for event in await rest] == [2]


async def test_events_of_an_unknown_kind_are_passed_over(daemon, client):
    job_id = daemon.add("ants-bees")
    await daemon.emit(job_id)
    await daemon.emit(job_id, **story.failure())

    assert [event.sequence for event in await collected(client.watch(job_id))] == [2]
