"""Jobs are their users': others' are not there, admins see all."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ftd.errors import InvalidJob, JobNotFound, NameTaken, QueueFull, RequestIdReused
from ftd.jobs.callers import Caller
from ftd.jobs.model import Job
from ftd.jobs.store import Store
from ftd.jobs.store.writes import QueueLimits
from tests.fakes.jobs import NOW, request

ALICE = Caller(user="alice", is_admin=False)
BOB = Caller(user="bob", is_admin=False)
ROOT = Caller(user="root", is_admin=True)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(tmp_path / "ftd.sqlite") as store:
        yield store


async def submit(
    store: Store, name: str, caller: Caller, *, request_id: str = "", **changes: Any
) -> Job:
    limits = changes.pop("limits", QueueLimits())
    references = changes.pop("references", {})
    job, _ = await store.submit(
        request(name, **changes), request_id=request_id, now=NOW, references=references,
        caller=caller, limits=limits,
    )  # fmt: skip
    return job


async def test_a_job_of_another_user_is_not_there(store: Store) -> None:
    job = await submit(store, "ants", ALICE)

    assert job.user == "alice"
    for ref in (job.id, job.id[:8], "ants"):
        assert (await store.get(ref, only_of="alice")).id == job.id
        assert (await store.get(ref)).id == job.id
        with pytest.raises(JobNotFound) as missing:
            await store.get(ref, only_of="bob")
        assert str(missing.value) == (
            f"no job has the name or id `{ref}`; `ftctl list` shows the names and ids of all"
        )


async def test_a_name_means_the_latest_of_the_users_own(store: Store) -> None:
    first = await submit(store, "ants", ALICE)
    await submit(store, "bees", BOB)

    assert (await store.get("ants", only_of="alice")).id == first.id
    with pytest.raises(JobNotFound, match=r"all$"):  # no hint at `bees`
        await store.get("beez", only_of="alice")


async def test_a_listing_has_the_users_own_on_every_page(store: Store) -> None:
    for number in range(3):
        await submit(store, f"a{number}", ALICE)
        await submit(store, f"b{number}", BOB)

    first, token = await store.list(2, only_of="alice")
    second, end = await store.list(2, token, only_of="alice")

    assert [job.name for job in first + second] == ["a2", "a1", "a0"]
    assert end == ""
    assert len((await store.list(10))[0]) == 6


async def test_nothing_is_taken_from_another_users_job(store: Store) -> None:
    await submit(store, "ants", ALICE)

    with pytest.raises(InvalidJob) as bad:
        await submit(store, "bees", BOB, after=("ants",), references={"job:ants/best": "ants"})

    assert [fault.field for fault in bad.value.faults] == ["after[0]", "model.weights"]
    assert (await submit(store, "flies", ROOT, after=("ants",))).after_ids


async def test_a_name_of_another_user_is_taken_and_tells_no_more(store: Store) -> None:
    job = await submit(store, "ants", ALICE)

    with pytest.raises(NameTaken) as taken:
        await submit(store, "ants", BOB)
    with pytest.raises(NameTaken) as seen:
        await submit(store, "ants", ROOT)

    assert str(taken.value) == (
        "the name `ants` belongs to another user's job that has not ended; all users share the "
        "names, so give this one another"
    )
    assert job.id in str(seen.value)


async def test_a_request_id_of_another_user_gives_nothing_away(store: Store) -> None:
    await submit(store, "ants", ALICE, request_id="1")

    with pytest.raises(RequestIdReused) as reused:
        await submit(store, "ants", BOB, request_id="1")

    assert str(reused.value) == (
        "request id `1` came with another job before; use a new id for a new job"
    )


async def test_each_user_has_his_own_limit(store: Store) -> None:
    limits = QueueLimits(per_user=1)
    await submit(store, "a", ALICE, limits=limits)
    await submit(store, "b", BOB, limits=limits)

    with pytest.raises(QueueFull) as full:
        await submit(store, "c", ALICE, limits=limits)

    assert str(full.value) == (
        "1 jobs of user alice wait, the daemon takes at most 1 of each (--queue-limit-per-user); "
        "submit again when some have started"
    )
