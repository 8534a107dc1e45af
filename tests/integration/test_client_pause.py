"""`ftctl pause` and `ftctl resume`, and what follows a job through them."""

from collections.abc import Iterator

import pytest

import ftctl
from ftctl.testing import FakeDaemon
from tests.fakes.calls import Call

JOB = {"data": {"digits": {}}, "model": {"cnn": {}}, "train": {"epochs": 3}}


@pytest.fixture
def client(fake: FakeDaemon) -> Iterator[ftctl.Client]:
    with ftctl.Client(fake.socket) as client:
        yield client


async def test_several_jobs_are_paused_and_resumed(
    fake: FakeDaemon, client: ftctl.Client, call: Call
) -> None:
    fake.run_epoch(ants := client.submit({**JOB, "name": "ants"}))
    client.submit({**JOB, "name": "bees"})

    assert await call("pause", "ants", "bees") == (0, "ants is paused\nbees is paused\n", "")
    assert (await call("resume", ants.id[:8], "bees"))[1] == (
        "ants goes on: it is queued\nbees goes on: it is queued\n"
    )
    assert (await call("resume", "bees"))[1] == "bees was not paused: it is queued\n"


async def test_a_misspelt_job_is_found_out_before_any_is_paused(
    client: ftctl.Client, call: Call
) -> None:
    handle = client.submit({**JOB, "name": "ants"})

    code, out, err = await call("pause", "ants", "nothing")

    assert (code, out) == (2, "")
    assert "no job has the name or id `nothing`" in err
    assert handle.get().state is ftctl.JobState.QUEUED


async def test_an_ended_job_is_refused_with_what_to_do(
    fake: FakeDaemon, client: ftctl.Client, call: Call
) -> None:
    fake.finish(client.submit({**JOB, "name": "ants"}))

    assert await call("pause", "ants") == (
        2, "",
        "ftctl: job ants is succeeded and has ended, there is nothing to pause; submit it again to "
        "have it run again\n",
    )  # fmt: skip


async def test_who_watches_waits_on_through_a_pause(
    fake: FakeDaemon, client: ftctl.Client, call: Call
) -> None:
    fake.run_epoch(handle := client.submit({**JOB, "name": "ants"}))
    handle.pause()
    handle.resume()
    fake.finish(handle)

    code, out, _ = await call("watch", "ants")

    assert code == 0
    assert "paused by tester; waiting here until it goes on\n" in out
    assert out.splitlines()[-1].endswith("completed: Trained to the end of its recipe")
