"""Watching: all events, once, in order, from any point on, whatever happens meanwhile."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftd.errors import ShuttingDown, WatcherTooSlow
from ftd.jobs import broadcast as broadcast_module
from ftd.jobs.broadcast import Broadcast
from ftd.jobs.history import model_with, numbered, state_event
from ftd.jobs.model import Event, Job, JobState, Outcome, OutcomeReason
from ftd.jobs.states import advance
from ftd.jobs.store import Store
from tests.fakes import jobs
from tests.fakes.jobs import NOW, at, request
from tests.wait import wait_until

OUTCOME = Outcome(reason=OutcomeReason.CANCELLED_BY_USER, message="cancelled")


class Script:
    """A job in memory whose events are stored and published when a test says so."""

    def __init__(self) -> None:
        self.job = Job(
            id="0" * 32, number=1, request=request("a"), after_ids=(), references={},
            state=JobState.QUEUED, create_time=NOW,
        )  # fmt: skip
        self.stored: list[Event] = []
        self.reads = 0

    def store(self, *, ends: bool = False) -> list[Event]:
        if ends:
            self.job = advance(self.job, JobState.CANCELLED, now=at(9), outcome=OUTCOME)
            new = state_event(self.job, now=at(9))
        else:
            new = jobs.progress(self.job.last_sequence)
        events = numbered(self.job, [new])
        self.job = model_with(self.job, events)
        self.stored += events
        return events

    async def get(self, ref: str) -> Job:
        await asyncio.sleep(0)
        return self.job

    async def events(self, job_id: str, after_sequence: int, limit: int) -> list[Event]:
        self.reads += 1
        await asyncio.sleep(0)
        found = [event for event in self.stored if event.sequence > after_sequence][:limit]
        await asyncio.sleep(0)
        return found


async def numbers(events: AsyncIterator[Event]) -> list[int]:
    return [event.sequence async for event in events]


async def watch(store: Store) -> tuple[Job, Broadcast]:
    job, _ = await store.submit(request("a"), request_id="", now=NOW, references={})
    return job, Broadcast(store)


async def add(store: Store, broadcast: Broadcast, job: Job, *, ends: bool = False) -> Job:
    event = jobs.progress(job.last_sequence)
    if ends:
        job = advance(job, JobState.CANCELLED, now=at(9), outcome=OUTCOME)
        event = state_event(job, now=at(9))
    job, events = await store.append(job, [event])
    broadcast.publish(events)
    return job


async def test_a_late_watcher_gets_what_was_and_what_comes(store: Store) -> None:
    job, broadcast = await watch(store)
    job = await add(store, broadcast, job)
    async with aclosing(broadcast.subscribe(job.id)) as events:
        seen = [(await anext(events)).sequence for _ in range(2)]

        job = await add(store, broadcast, job)
        await add(store, broadcast, job, ends=True)

        assert seen + await numbers(events) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("after", "expected"), [(0, [1, 2, 3]), (1, [2, 3]), (2, [3]), (3, []), (99, [])]
)
async def test_a_watcher_of_an_ended_job_gets_what_it_has_not_seen_and_is_done(
    store: Store, after: int, expected: list[int]
) -> None:
    job, broadcast = await watch(store)
    job = await add(store, broadcast, job)
    job = await add(store, broadcast, job, ends=True)

    assert await numbers(broadcast.subscribe(job.id, after_sequence=after)) == expected


async def test_two_watchers_get_equal_events_live_or_replayed(store: Store) -> None:
    job, broadcast = await watch(store)

    async def collect() -> list[Event]:
        return [event async for event in broadcast.subscribe(job.id)]

    live = asyncio.ensure_future(collect())
    moved = job
    for _ in range(20):
        moved = await add(store, broadcast, moved)
    await add(store, broadcast, moved, ends=True)

    assert await live == await collect() == await store.events(job.id, 0, 100)


async def test_a_watcher_sees_only_its_own_job() -> None:
    script = Script()
    broadcast = Broadcast(script)
    script.store()
    async with aclosing(broadcast.subscribe(script.job.id)) as events:
        await anext(events)
        waiting = asyncio.ensure_future(numbers(events))
        other = numbered(
            Job(
                id="f" * 32, number=2, request=request("b"), after_ids=(), references={},
                state=JobState.QUEUED, create_time=NOW, last_sequence=1,
            ),
            [jobs.progress()],
        )  # fmt: skip
        broadcast.publish(other)
        broadcast.publish(script.store(ends=True))

        assert await waiting == [2]


async def test_a_slow_watcher_is_cut_and_resumes_without_loss(store: Store) -> None:
    job, _ = await watch(store)
    broadcast = Broadcast(store, capacity=4)
    seen = []
    async with aclosing(broadcast.subscribe(job.id)) as events:
        seen.append((await anext(events)).sequence)
        reader = asyncio.ensure_future(anext(events))
        job = await until_live(store, broadcast, job, reader)
        seen.append((await reader).sequence)
        with pytest.raises(WatcherTooSlow, match="4 events wait to be read; resume with"):
            await read_slowly(store, broadcast, job, events, seen)

    job = await store.get(job.id)
    await add(store, broadcast, job, ends=True)
    seen += await numbers(broadcast.subscribe(job.id, after_sequence=seen[-1]))

    assert seen == list(range(1, len(seen) + 1))


async def read_slowly(
    store: Store, broadcast: Broadcast, job: Job, events: AsyncIterator[Event], seen: list[int]
) -> None:
    """Read one event for every five that are added."""
    # What was read may still have been of the replay, which is not held to any pace.
    for _ in range(50):
        for _ in range(5):
            job = await add(store, broadcast, job)
        seen.append((await anext(events)).sequence)


async def until_live(
    store: Store, broadcast: Broadcast, job: Job, reader: "asyncio.Future[Event]"
) -> Job:
    """Add events until a reader that waits has got one."""
    while not reader.done():
        job = await add(store, broadcast, job)
        await asyncio.sleep(0)
    return job


async def test_a_long_replay_does_not_make_a_watcher_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broadcast_module, "PAGE", 4)
    script = Script()
    broadcast = Broadcast(script, capacity=2)
    for _ in range(20):
        script.store()
    seen = []

    async def end() -> None:
        """End the job when the watcher has caught up and waits."""
        await wait_until(lambda: len(seen) == 30)
        for _ in range(20):
            await asyncio.sleep(0)
        broadcast.publish(script.store(ends=True))

    ending = asyncio.ensure_future(end())
    async for event in broadcast.subscribe(script.job.id):
        seen.append(event.sequence)
        if len(seen) == 3:
            for _ in range(10):
                broadcast.publish(script.store())

    await ending
    assert seen == list(range(1, 32))


async def test_an_idle_watcher_reads_nothing_and_is_woken_by_an_event_alone() -> None:
    script = Script()
    broadcast = Broadcast(script)
    script.store()
    events = broadcast.subscribe(script.job.id)
    await anext(events)
    waiting = asyncio.ensure_future(anext(events))
    for _ in range(20):
        await asyncio.sleep(0)
    reads = script.reads

    for _ in range(100):
        await asyncio.sleep(0)
    assert script.reads == reads
    assert not waiting.done()

    broadcast.publish(script.store())
    assert (await waiting).sequence == 2
    assert script.reads == reads
    await events.aclose()


async def test_closing_ends_waiting_and_later_watchers_politely(store: Store) -> None:
    job, broadcast = await watch(store)
    events = broadcast.subscribe(job.id)
    await anext(events)
    waiting = asyncio.ensure_future(anext(events))
    for _ in range(20):
        await asyncio.sleep(0)

    broadcast.close()

    for reader in (waiting, anext(broadcast.subscribe(job.id))):
        with pytest.raises(ShuttingDown) as stopped:
            await reader
        assert str(stopped.value) == (
            "the daemon stops; the job goes on. Watch it again once the daemon is back"
        )


async def test_a_watcher_that_leaves_is_forgotten() -> None:
    script = Script()
    broadcast = Broadcast(script)
    script.store()
    async with aclosing(broadcast.subscribe(script.job.id)) as events:
        await anext(events)
        assert broadcast.watchers == 1

    assert broadcast.watchers == 0


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    total=st.integers(1, 40),
    page=st.integers(1, 5),
    after=st.lists(st.integers(0, 45), min_size=1, max_size=4),
)
def test_no_interleaving_loses_or_repeats_an_event(
    seed: int, total: int, page: int, after: list[int]
) -> None:
    """Storing, publishing (late, out of order, sometimes not at all) and reading, in any order."""
    dice = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        patch.setattr(broadcast_module, "PAGE", page)
        seen = runner.run(interleave(dice, total, after))

    for start, got in zip(after, seen, strict=True):
        assert got == list(range(start + 1, total + 1))


async def interleave(dice: random.Random, total: int, after: list[int]) -> list[list[int]]:
    script = Script()
    broadcast = Broadcast(script)
    script.store(ends=total == 1)

    async def read(start: int) -> list[int]:
        got = []
        async with aclosing(broadcast.subscribe(script.job.id, after_sequence=start)) as events:
            async for event in events:
                got.append(event.sequence)
                for _ in range(dice.randrange(4)):
                    await asyncio.sleep(0)
        return got

    readers = []
    late: list[Event] = []
    for number in range(2, total + 1):
        while len(readers) < len(after) and dice.random() < 0.3:
            readers.append(asyncio.ensure_future(read(after[len(readers)])))
        for _ in range(dice.randrange(6)):
            await asyncio.sleep(0)
        late += script.store(ends=number == total)
        dice.shuffle(late)
        while late and dice.random() < 0.6:
            broadcast.publish([late.pop()])
    readers += [asyncio.ensure_future(read(start)) for start in after[len(readers) :]]
    for _ in range(dice.randrange(6)):
        await asyncio.sleep(0)
    dice.shuffle(late)
    broadcast.publish(late)
    return list(await asyncio.gather(*readers))
