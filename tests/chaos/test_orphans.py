"""What a trainer leaves behind is ended and named within 5 s, and only then is its device free.

Real daemon (without its RPC layer), zygote, shims, processes and signals.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ftd.jobs.fleet import DeviceState
from ftd.jobs.model import EventKind, Job, JobState
from ftd.jobs.supervisor import Supervisor
from fttrain.spec import rundir
from tests.chaos import brood
from tests.fakes.supervising import daemon, submit, until, watch, worker_of
from tests.wait import wait_until

COMMAND = (sys.executable, "-P", str(Path(brood.__file__)))
SIM = "sim:1x16GiB"
LIMIT_S = 5.0
ENDED = "Processes that outlived the worker were ended: "
Kill = Callable[[Job], None]


@pytest.fixture
def zygote(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The command of the zygote; it finds this project's tests."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parent.parent.parent))
    return COMMAND


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path) -> Iterator[None]:
    """End what a test that fails has left."""
    yield
    for run_dir in tmp_path.glob("runs/*/*"):
        for pid in filter(brood.is_there, brood.left_in(run_dir)):
            os.kill(pid, signal.SIGKILL)


async def running(supervisor: Supervisor, name: str) -> Job:
    """Submit a job and return it as it runs."""
    job = await submit(supervisor, name)
    await until(supervisor, job, JobState.RUNNING)
    return await supervisor.store.get(job.id)


def kill_shim(job: Job) -> None:
    """End the shim of a job, so that its worker loses its parent and nobody is left above."""
    shim = rundir.read_shim(Path(job.run_dir))
    assert shim is not None
    os.kill(shim.pid, signal.SIGKILL)


def kill_worker(job: Job) -> None:
    """End the worker of a job; its shim is left."""
    worker_of(job).kill()


async def gone(pids: dict[int, str], began: float) -> float:
    """Return the seconds until none of some processes is there."""
    await wait_until(lambda: not any(map(brood.is_there, pids)))
    return time.monotonic() - began


async def notices(supervisor: Supervisor, job: Job) -> list[str]:
    """Return what was said of a job so far."""
    events = await supervisor.store.events(job.id, 0, 1000)
    return [event.body["message"] for event in events if event.kind is EventKind.NOTICE]


async def named(supervisor: Supervisor, job: Job, pids: dict[int, str]) -> list[str]:
    """Return the kinds of processes that no notice names."""
    said = "".join(each for each in await notices(supervisor, job) if each.startswith(ENDED))
    return [kind for pid, kind in pids.items() if f"({pid})" not in said]


def next_of(job: Job) -> Path:
    return Path(job.run_dir).with_name(str(job.attempt + 1))


@pytest.mark.parametrize("kill", [kill_worker, kill_shim])
async def test_all_that_a_trainer_leaves_is_ended_and_named_before_its_device_is_free(
    tmp_path: Path, zygote: tuple[str, ...], kill: Kill
) -> None:
    async with daemon(tmp_path, zygote, devices=SIM) as supervisor:
        job = await running(supervisor, "brood-and-wait")
        left = brood.left_in(Path(job.run_dir))
        kill(job)
        took = await gone(left, time.monotonic())
        await wait_until(lambda: is_over(supervisor, job))
        await supervisor.cancel(job.id)
        follower = await submit(supervisor, "finish")
        await watch(supervisor, follower)

        print(f"{len(left)} processes ended {took:.2f} s after {kill.__name__}")
        assert len(left) == len(brood.KINDS)
        assert took < LIMIT_S
        assert await named(supervisor, job, left) == []
        # Whoever had the device next found none of them.
        ended = await supervisor.store.get(follower.id)
        assert ended.state is JobState.SUCCEEDED
        assert brood.all_seen(tmp_path / "runs") == []
        await wait_until(lambda: supervisor.standings()[0].state is DeviceState.FREE)


def is_over(supervisor: Supervisor, job: Job) -> bool:
    """Whether an attempt of a job is over: the job has ended, or another one has begun."""
    now = supervisor.ledger.find(job.id)
    return now is None or now.attempt != job.attempt or now.state is JobState.QUEUED


async def test_what_outlives_a_trainer_that_ends_well_is_named(
    tmp_path: Path, zygote: tuple[str, ...]
) -> None:
    async with daemon(tmp_path, zygote, devices=SIM) as supervisor:
        began = time.monotonic()
        job = await submit(supervisor, "brood-and-exit")
        await watch(supervisor, job)
        took = time.monotonic() - began
        ended = await supervisor.store.get(job.id)
        left = brood.left_in(Path(ended.run_dir))

        assert ended.state is JobState.SUCCEEDED
        assert took < LIMIT_S
        assert not any(map(brood.is_there, left))
        assert await named(supervisor, job, left) == []


async def test_a_daemon_ends_what_was_orphaned_while_none_was_there(
    tmp_path: Path, zygote: tuple[str, ...]
) -> None:
    async with daemon(tmp_path, zygote, devices=SIM) as first:
        job = await running(first, "brood-and-wait")
    left = brood.left_in(Path(job.run_dir))
    kill_shim(job)
    survivors = {pid: kind for pid, kind in left.items() if kind != "bare"}
    assert all(map(brood.is_there, survivors))

    began = time.monotonic()
    async with daemon(tmp_path, zygote, devices=SIM) as second:
        took = await gone(survivors, began)
        await wait_until(lambda: is_over(second, job))
        await second.cancel(job.id)

        print(f"{len(survivors)} processes ended {took:.2f} s after the start of a daemon")
        assert took < LIMIT_S
        assert await named(second, job, survivors) == []
