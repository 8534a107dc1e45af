"""What the store promises to those who read, and what it does not let in."""

import asyncio
from pathlib import Path

import pytest

from ftd.errors import (
    AmbiguousJobId,
    JobNotFound,
    QueueFull,
)
from ftd.jobs.model import (
    EventKind,
    NewEvent,
)
from ftd.jobs.store import Store, writes
from ftd.jobs.store.writes import QueueLimits
from tests.fakes import jobs
from tests.fakes.jobs import NOW, request
from tests.fakes.storing import end, submit

# --- limits and drains -----------------------------------------------------------------------


async def test_a_full_queue_takes_no_more_but_knows_what_it_took(store: Store) -> None:
    await submit(store, request("a"), request_id="1", limits=QueueLimits(all=1))

    with pytest.raises(QueueFull) as full:
        await submit(store, request("b"), limits=QueueLimits(all=1))
    again = await submit(store, request("a"), request_id="1", limits=QueueLimits(all=1))

    assert again.name == "a"
    assert str(full.value) == (
        "the queue is full: 1 jobs wait, the daemon takes at most 1 (--queue-limit); "
        "submit again when some have started"
    )


async def test_drains_last_until_they_are_taken_back(store: Store) -> None:
    await store.drain("GPU-1", "new fans", NOW)
    await store.drain("GPU-1", "new pump", NOW)
    await store.drain("GPU-2", "", NOW)
    await store.resume("GPU-2")

    assert await store.drains() == {"GPU-1": "new pump"}


async def test_what_a_job_needs_and_when_is_kept(store: Store) -> None:
    wanted = request("a", memory_bytes=11 << 30, not_before=jobs.at(60), timeout_s=90.5)
    await submit(store, wanted)

    assert (await store.get("a")).request == wanted


# --- get -------------------------------------------------------------------------------------


async def test_an_id_its_beginning_and_a_name_all_mean_the_job(store: Store) -> None:
    job = await submit(store, request("a"))

    for ref in (job.id, job.id[:4], job.id[:31], "a"):
        assert (await store.get(ref)).id == job.id


async def test_a_name_wins_over_the_beginning_of_an_id(store: Store) -> None:
    first = await submit(store, request("a"))
    second = await submit(store, request(first.id[:6]))

    assert (await store.get(first.id[:6])).id == second.id


async def test_an_id_wins_over_a_name(store: Store) -> None:
    first = await submit(store, request("a"))
    await submit(store, request(first.id))

    assert (await store.get(first.id)).id == first.id


async def test_an_unknown_job_is_answered_with_the_nearest_names(store: Store) -> None:
    await submit(store, request("ants-bees"))

    messages = {}
    for ref in ("ants-beez", "ab", "abcd", "", "zz"):
        with pytest.raises(JobNotFound) as missing:
            await store.get(ref)
        messages[ref] = str(missing.value)

    assert messages == {
        "ants-beez": "no job has the name or id `ants-beez`; did you mean `ants-bees`?",
        "ab": "no job has the name or id `ab`; an id needs at least 4 of its characters",
        "abcd": "no job has the name or id `abcd`; `ftctl list` shows the names and ids of all",
        "": "no job has the name or id ``; `ftctl list` shows the names and ids of all",
        "zz": "no job has the name or id `zz`; `ftctl list` shows the names and ids of all",
    }


async def test_a_beginning_that_several_ids_share_is_answered_with_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = iter(f"abcd{number:028x}" for number in range(7))
    monkeypatch.setattr(writes.uuid, "uuid4", lambda: type("Id", (), {"hex": next(ids)})())
    made = [await submit(store, request(f"n{number}")) for number in range(2)]

    with pytest.raises(AmbiguousJobId) as ambiguous:
        await store.get("abcd")

    assert str(ambiguous.value) == (
        f"`abcd` begins the ids of 2 jobs: {made[1].id} (n1), {made[0].id} (n0); say more of it"
    )


# --- all -------------------------------------------------------------------------------------


async def test_unfinished_jobs_come_whole_and_in_order_of_submission(store: Store) -> None:
    first = await submit(store, request("a"))
    await end(store, await submit(store, request("b")))
    last = await submit(store, request("c"))
    last, _ = await store.append(last, [jobs.epoch(1), jobs.epoch(2), jobs.planned()])

    assert await store.unfinished() == [first, last]


async def test_evaluations_are_told_of_a_job_and_left_out_of_lists(store: Store) -> None:
    job = await submit(store, request("a"))
    done = [jobs.epoch(), jobs.evaluated(), *[jobs.progress(n) for n in range(3)]]
    await store.append(job, [*done, jobs.evaluated("test")])

    whole = await store.get("a")
    (listed,), _ = await store.list(10, "")

    assert [each["split"] for each in whole.evaluations] == ["val", "test"]
    assert whole.evaluations[0] == jobs.evaluated().body
    assert listed.evaluations == ()
    assert [each.evaluations for each in await store.unfinished()] == [whole.evaluations]


async def test_everything_is_there_after_the_store_was_closed(tmp_path: Path) -> None:
    path = tmp_path / "ftd.sqlite"
    async with await Store.open(path) as store:
        job = await submit(store, request("a"))
        job, _ = await store.append(job, [jobs.epoch(1)])

    async with await Store.open(path) as store:
        assert await store.get("a") == job
        later = await submit(store, request("b"))

    assert later.number == 2


async def test_many_submissions_at_once_give_each_job_its_own_number(store: Store) -> None:
    made = await asyncio.gather(*(submit(store, request(f"n{number}")) for number in range(50)))

    assert sorted(job.number for job in made) == list(range(1, 51))


async def test_events_of_a_finished_attempt_stay_with_their_attempt(store: Store) -> None:
    job = await submit(store, request("a"))
    body = {"message": "second start"}
    later = NewEvent(kind=EventKind.NOTICE, time=NOW, attempt=2, body=body)

    _, events = await store.append(job, [later])

    assert events[0].attempt == 2


async def test_progress_stands_at_the_end_of_the_last_epoch(store: Store) -> None:
    job = await submit(store, request("a"))

    job, _ = await store.append(job, [jobs.progress(3), jobs.epoch(2)])

    assert job.progress is not None
    assert (job.progress["epoch"], job.progress["step"]) == (2, 20)
    assert job.progress["images"] == 10  # its training images
    assert (await store.get(job.id)).progress == job.progress
