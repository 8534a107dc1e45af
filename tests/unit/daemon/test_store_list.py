"""Listing jobs: pages that stay as they are, and what a listed job tells."""

import json
from dataclasses import replace

import pytest

from ftd.errors import InvalidPageToken
from ftd.jobs.callers import Caller
from ftd.jobs.model import Job, JobRequest, JobState
from ftd.jobs.store import HOUSE, Store
from ftd.jobs.store.reads import Filter
from tests.fakes import jobs
from tests.fakes.jobs import NOW, request
from tests.fakes.office import COMPLETED, FakeOffice


async def submit(store: Store, asked: JobRequest, caller: Caller = HOUSE) -> Job:
    job, _ = await store.submit(asked, request_id="", now=NOW, references={}, caller=caller)
    return job


async def test_pages_stay_as_they_are_while_jobs_are_added(store: Store) -> None:
    for number in range(5):
        await submit(store, request(f"n{number}"))

    first, token = await store.list(2)
    await submit(store, request("late"))
    second, token = await store.list(2, token)
    third, token = await store.list(2, token)

    names = [[job.name for job in page] for page in (first, second, third)]
    assert names == [["n4", "n3"], ["n2", "n1"], ["n0"]]
    assert token == ""


async def test_a_full_last_page_has_no_successor(store: Store) -> None:
    for number in range(2):
        await submit(store, request(f"n{number}"))

    assert (await store.list(2))[1] == ""
    assert await store.list(2, "", Filter(states=[JobState.FAILED])) == ([], "")


async def test_a_listing_holds_only_the_states_asked_for(store: Store) -> None:
    office = FakeOffice(store)
    ended = await office.submit(request("a"), request_id="")
    await office.cancel(ended.id)
    await submit(store, request("b"))

    found, _ = await store.list(10, "", Filter(states=[JobState.CANCELLED, JobState.FAILED]))

    assert [job.id for job in found] == [ended.id]


async def test_a_listed_job_has_its_best_and_last_epoch_and_no_plan(store: Store) -> None:
    job = await submit(store, request("a"))
    worse = [jobs.epoch(number, best=False) for number in (3, 4)]
    epochs = [jobs.epoch(1), jobs.epoch(2), *worse]
    await store.append(job, [jobs.planned(), *epochs, jobs.progress(3)])

    (listed,), _ = await store.list(10)

    assert [body["epoch"] for body in listed.epochs] == [2, 4]
    assert listed.plan_json == ""
    assert listed.progress is not None


async def test_a_page_of_long_recipes_ends_early(store: Store) -> None:
    long = json.dumps({"text": "x" * 900_000})
    for number in range(4):
        await submit(store, request(f"n{number}", recipe_json=long))

    first, token = await store.list(50)
    second, end = await store.list(50, token)

    assert [len(first), len(second), end] == [2, 2, ""]


@pytest.mark.parametrize("token", ["nonsense", "e30=", "bnVsbA==", "é"])
async def test_a_page_token_that_is_not_ours_is_refused(store: Store, token: str) -> None:
    with pytest.raises(InvalidPageToken, match="was not given by ListJobs"):
        await store.list(2, token)


async def test_a_page_token_of_another_listing_is_refused(store: Store) -> None:
    for number in range(2):
        await submit(store, request(f"n{number}"))
    _, token = await store.list(1)

    with pytest.raises(InvalidPageToken, match="is of another listing"):
        await store.list(1, token, Filter(states=[JobState.QUEUED]))


async def test_a_page_ends_where_its_outcomes_are_long(store: Store) -> None:
    office = FakeOffice(store)
    told = replace(COMPLETED, log_tail=("x" * 16384,))
    for number in range(200):
        job = await office.submit(request(f"n{number}"), request_id="")
        states = (JobState.STARTING, JobState.RUNNING, JobState.SUCCEEDED)
        await office.move(job.id, *states, outcome=told)

    page, token = await store.list(1000)

    assert 100 < len(page) < 140
    assert token


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Filter(name="lr-*"), ["lr-2", "lr-10"]),
        (Filter(name="lr-?"), ["lr-2"]),
        (Filter(name="lr-[0-9]"), []),
        (Filter(labels={"team": "ants"}), ["bees", "lr-2"]),
        (Filter(labels={"team": "ants", 'o"dd.': "x"}), ["bees"]),
        (Filter(labels={"team": "x"}), []),
        (Filter(user="bob"), ["lr-10"]),
        (Filter(user="bob", states=[JobState.FAILED]), []),
    ],
)
async def test_a_listing_has_the_jobs_that_meet_all_that_is_asked(
    store: Store, wanted: Filter, names: list[str]
) -> None:
    bob = Caller(user="bob", is_admin=False)
    await submit(store, request("lr-10"), bob)
    await submit(store, request("lr-2", labels={"team": "ants"}))
    await submit(store, request("bees", labels={"team": "ants", 'o"dd.': "x"}))

    found, _ = await store.list(10, "", wanted)

    assert [job.name for job in found] == names
