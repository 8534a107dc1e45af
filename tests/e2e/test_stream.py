"""Each epoch reaches a watcher before the next one ends, once and in order."""

import asyncio
from pathlib import Path

import grpc
import pytest

from finetuned.v1 import job_service_pb2 as pb
from finetuned.v1.job_service_pb2_grpc import JobServiceStub
from ftctl import EpochEnded, Event, JobState, StateChanged
from fttrain import events as journal
from tests.e2e.recipes import endless, small
from tests.e2e.serving import Serving, records

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_epoch_is_seen_before_the_next_one_ends(daemon: Serving, photos: Path) -> None:
    # An epoch that takes longer than a record's way through a busy machine.
    recipe = small(photos, epochs=6, batch_size=2)
    recipe["data"]["preprocess"] |= {"resize": 96, "crop": 96}
    recipe["model"]["cnn"] = {"channels": [32, 64, 64], "pool": 2}
    handle = await daemon.client.submit(recipe)
    seen: list[Event] = []
    ahead = []

    async for event in handle.watch():
        seen.append(event)
        if isinstance(event, EpochEnded):
            written = records(await handle.get())
            ahead.append(sum(isinstance(record, journal.EpochEnded) for record in written))

    epochs = [event.epoch for event in seen if isinstance(event, EpochEnded)]
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    # One may be late on a busy machine.
    assert sum(written != epoch for written, epoch in zip(ahead, range(1, 7), strict=True)) <= 1
    assert [event.sequence for event in seen] == list(range(1, len(seen) + 1))


async def test_an_epoch_tells_all_that_a_user_wants_to_know(daemon: Serving, photos: Path) -> None:
    handle = await daemon.client.submit(small(photos))

    epochs = (await handle.wait()).check().epochs

    assert len(epochs) == 3
    for epoch in epochs:
        assert epoch.train is not None
        assert (epoch.train.count, epoch.val.count) == (48, 24)
        assert epoch.train.loss > 0
        assert epoch.val.loss > 0
        assert epoch.val.accuracy == epoch.val.correct / 24
        assert epoch.val.accuracy_low <= epoch.val.accuracy <= epoch.val.accuracy_high
        assert epoch.lrs == (0.05,)
        assert epoch.images_per_second > 0
        assert epoch.memory_bytes > 50_000_000
        assert epoch.seconds > 0
    assert [epoch.step for epoch in epochs] == [6, 12, 18]


async def test_a_late_watcher_and_one_that_resumes_get_the_same_records(
    daemon: Serving, photos: Path
) -> None:
    handle = await daemon.client.submit(small(photos))
    live = [event async for event in handle.watch()]

    late = [event async for event in handle.watch()]
    middle = len(live) // 2
    resumed = [event async for event in handle.watch(after_sequence=middle)]

    assert late == live
    assert resumed == live[middle:]
    last = live[-1]
    assert isinstance(last, StateChanged)
    assert last.state is JobState.SUCCEEDED


async def test_two_watchers_get_equal_bytes(daemon: Serving, photos: Path) -> None:
    handle = await daemon.client.submit(small(photos))

    async with grpc.aio.insecure_channel(f"unix:{daemon.socket}") as channel:
        stub = JobServiceStub(channel)

        async def watch() -> list[bytes]:
            stream = stub.WatchJob(pb.WatchJobRequest(job=handle.id))
            return [response.SerializeToString() async for response in stream]

        first, second = await asyncio.gather(watch(), watch())

    assert first == second
    assert len(first) > 5


async def test_the_log_can_be_followed_to_its_end(daemon: Serving, photos: Path) -> None:
    handle = await daemon.client.submit(small(photos))

    followed = "".join([piece async for piece in handle.logs(follow=True)])

    log = Path((await handle.get()).run_dir) / "log.txt"
    assert followed == log.read_text()
    assert len([line for line in followed.splitlines() if "epoch" in line]) >= 3


async def test_watching_goes_on_while_others_come_and_go(daemon: Serving, photos: Path) -> None:
    handle = await daemon.client.submit(endless(photos))
    seen = 0
    async for event in handle.watch():
        if isinstance(event, EpochEnded):
            seen += 1
            async for _ in handle.watch():
                break
        if seen == 3:
            break

    cancelled = await handle.cancel()

    assert cancelled.state in (JobState.CANCELLING, JobState.CANCELLED)
    assert (await handle.wait()).state is JobState.CANCELLED
