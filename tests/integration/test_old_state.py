"""A state directory that an earlier commit has written, with today's daemon.

tests/data/state-0004.tar.gz was written by commit 0bd0286, whose store had schema 0004, and its
daemon, shim and worker were killed: `ended` has ended, `running` was running, `queued` waits.
"""

import sqlite3
import tarfile
from pathlib import Path

import pytest

from ftd.jobs.model import Job, JobState
from ftd.jobs.store import Store
from ftd.jobs.store.tables import HEAD
from ftd.jobs.supervisor import Supervisor
from ftd.jobs.zygote import COMMAND
from tests.fakes.supervising import daemon, states_of, until, watch

KEPT = Path(__file__).parent.parent / "data" / "state-0004.tar.gz"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    with tarfile.open(KEPT) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "ftd-0004"


def schema(state: Path) -> str:
    with sqlite3.connect(state / "ftd.sqlite") as connection:
        (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    connection.close()
    return str(found)


async def found(supervisor: Supervisor, name: str) -> Job:
    return await supervisor.store.get(name)


async def test_the_jobs_of_an_earlier_version_are_there_and_its_queued_ones_run_to_their_end(
    state: Path,
) -> None:
    assert schema(state) < HEAD

    async with daemon(state, COMMAND) as supervisor:
        ended, running = await found(supervisor, "ended"), await found(supervisor, "running")
        assert ended.state is JobState.SUCCEEDED
        assert [epoch["epoch"] for epoch in ended.epochs] == [1, 2, 3]
        assert all(each["path"].startswith(str(state)) for each in ended.artifacts)
        assert Path(ended.run_dir) == state / "runs" / ended.id / "1"
        assert ended.request.labels == {"written-by": "schema-0004"}
        events = await watch(supervisor, ended)
        assert states_of(events) == ["queued", "starting", "running", "succeeded"]
        # Its worker is gone; what it had told is all there, however the job goes on.
        await supervisor.cancel(running.id)
        await watch(supervisor, running)
        told = await found(supervisor, "running")
        assert told.state.is_terminal
        assert {epoch["epoch"] for epoch in told.epochs} >= set(range(1, 8))
        queued = await found(supervisor, "queued")
        await until(supervisor, queued, JobState.SUCCEEDED)
        done = await found(supervisor, "queued")
        assert [epoch["epoch"] for epoch in done.epochs] == [1, 2]

    assert schema(state) == HEAD


async def test_a_copy_of_it_is_opened_where_it_lies_now(state: Path) -> None:
    async with await Store.open(state / "ftd.sqlite") as store:
        before = await store.settle(state / "runs")
        job = await store.get("ended")
        again = await store.settle(state / "runs")

    assert before == Path("/tmp/ftd-0004/runs")
    assert again is None
    assert all(Path(each["path"]).is_relative_to(state) for each in job.artifacts)
