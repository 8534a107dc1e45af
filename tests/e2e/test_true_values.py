"""What metrics say of real jobs is true: counts exact, memory as the kernel has it."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from ftctl import AsyncJobHandle, Event, Job, JobState, ProgressMade
from fttrain import events as journal
from tests.e2e.recipes import endless, small
from tests.e2e.scraping import Scrape, scrape
from tests.e2e.serving import Serving, family, freeze_when, records, serving
from tests.observe.prometheus import free_port
from tests.wait import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRACE_S = 5.0
SET_SIZE = 48
"""Photos to train on, of the fixture."""
MOVES_BY_ITSELF = {
    "ftd_device_sample_timestamp_seconds",
    "ftd_state_free_bytes",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """A daemon that serves metrics."""

    daemon: Serving
    port: int

    async def read(self) -> Scrape:
        """Read them once."""
        return await scrape(self.port)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def metered(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Metered]:
    """A daemon with two devices, which forgets ended jobs soon."""
    state, port = tmp_path_factory.mktemp("metered") / "state", free_port()
    async with serving(
        state, devices="sim:2x4GiB", metrics=f"127.0.0.1:{port}", metrics_grace=f"{GRACE_S:g}"
    ) as daemon:
        yield Metered(daemon=daemon, port=port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """A job whose worker stands still, and all that the stream has told of it."""

    job: Job
    worker: psutil.Process
    told: list[Event]
    last: journal.Steps
    """What the worker has written last."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def frozen(metered: Metered, photos: Path) -> AsyncIterator[Frozen]:
    """A job that stands still in the middle of an epoch."""
    handle = await metered.daemon.client.submit(endless(photos, name="frozen"))
    told: list[Event] = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follow(handle, told))
        await wait_until(lambda: any(isinstance(event, ProgressMade) for event in told))
        worker = await freeze_when(await handle.get(), in_an_epoch)
        last = records(await handle.get())[-1]
        assert isinstance(last, journal.Steps)
        await wait_until(lambda: latest(told).progress.step == last.last)
        yield Frozen(job=await handle.get(), worker=worker, told=told, last=last)
        worker.resume()
        await handle.cancel()


async def follow(handle: AsyncJobHandle, told: list[Event]) -> None:
    remember = told.append
    async for event in handle.watch():
        remember(event)


def latest(told: list[Event]) -> ProgressMade:
    return [event for event in told if isinstance(event, ProgressMade)][-1]


def in_an_epoch(last: journal.Record) -> bool:
    return isinstance(last, journal.Steps) and last.epoch >= 3


async def test_images_are_epochs_times_the_size_of_the_set(metered: Metered, photos: Path) -> None:
    handle = await metered.daemon.client.submit(small(photos, epochs=7))
    seen = []

    waiting = asyncio.create_task(handle.wait())
    while not waiting.done():
        seen.append((await metered.read()).of(job_id=handle.id).get("ftd_job_images_total", 0))
    (await waiting).check()
    last = (await metered.read()).value("ftd_job_images_total", job_id=handle.id)

    assert last == 7 * SET_SIZE
    assert seen == sorted(seen)


async def test_the_series_of_a_job_go_some_time_after_its_end(
    metered: Metered, photos: Path
) -> None:
    handle = await metered.daemon.client.submit(small(photos))
    job = (await handle.wait()).check()

    at_its_end = left = (await metered.read()).of(job_id=handle.id)
    while left:
        left = (await metered.read()).of(job_id=handle.id)

    assert job.end_time is not None
    assert (datetime.now(UTC) - job.end_time).total_seconds() >= GRACE_S
    assert at_its_end["ftd_job_progress_ratio"] == 1
    assert at_its_end["ftd_job_epoch"] == 3


async def test_reading_changes_nothing(metered: Metered) -> None:
    async for job in metered.daemon.client.list():
        assert job.state.is_terminal

    await metered.daemon.client.devices()  # these figures are of now
    first = await metered.read()
    second = await metered.read()

    assert len(first.cumulative()) > 100
    assert first.cumulative() == second.cumulative()
    assert first.values.keys() == second.values.keys()
    changed = {
        series[0] for series, value in first.values.items() if second.values[series] != value
    }
    assert changed <= MOVES_BY_ITSELF


async def test_memory_is_what_the_kernel_says(metered: Metered, frozen: Frozen) -> None:
    await metered.daemon.client.devices()  # these figures are of now

    told = (await metered.read()).value("ftd_job_memory_used_bytes", job_id=frozen.job.id)
    real = sum(pss(process) for process in family(frozen.job))
    print(f"{told / 1e6:.1f} MB told, {real / 1e6:.1f} MB by smaps_rollup")

    assert real > 50e6
    assert told == pytest.approx(real, rel=0.1)


def pss(process: psutil.Process) -> int:
    """Return a process's proportional share of memory in bytes."""
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    (kilobytes,) = [line.split()[1] for line in lines if line.startswith("Pss:")]
    return int(kilobytes) * 1024


async def test_the_position_is_that_of_the_stream(metered: Metered, frozen: Frozen) -> None:
    now = (await metered.read()).of(job_id=frozen.job.id)

    progress = latest(frozen.told).progress
    assert now["ftd_job_epoch"] == progress.epoch == frozen.last.epoch
    assert now["ftd_job_epochs"] == progress.epochs
    assert now["ftd_job_progress_ratio"] == progress.step / progress.steps
    assert now["ftd_job_images_total"] == frozen.last.images
    assert now["ftd_job_images_per_second"] == progress.images_per_second


async def test_the_scores_are_those_of_the_last_epoch(metered: Metered, frozen: Frozen) -> None:
    now, epoch = await metered.read(), frozen.job.epochs[-1]

    assert epoch.train is not None
    for split, score in (("train", epoch.train), ("val", epoch.val)):
        assert now.value("ftd_job_loss", job_id=frozen.job.id, split=split) == score.loss
        assert now.value("ftd_job_accuracy", job_id=frozen.job.id, split=split) == score.accuracy


async def test_jobs_by_state_are_those_that_are_listed(
    metered: Metered, frozen: Frozen, photos: Path
) -> None:
    later = await metered.daemon.client.submit(small(photos, name="later") | {"after": ["frozen"]})

    listed = Counter([job.state async for job in metered.daemon.client.list()])
    now = await metered.read()
    await later.cancel()

    assert listed[JobState.RUNNING] == listed[JobState.QUEUED] == 1
    for state in set(JobState) - {JobState.UNKNOWN}:
        assert now.value("ftd_jobs", state=state.value) == listed[state]


async def test_no_value_is_ever_anything_but_a_number(metered: Metered, photos: Path) -> None:
    handle = await metered.daemon.client.submit(small(photos, epochs=5))
    seen: set[str] = set()

    while not (await handle.get()).state.is_terminal:
        now = await metered.read()
        assert [series for series, value in now.values.items() if not math.isfinite(value)] == []
        seen |= now.of(job_id=handle.id).keys()
    seen |= (await metered.read()).of(job_id=handle.id).keys()

    assert {"ftd_job_epoch", "ftd_job_loss", "ftd_job_data_wait_ratio"} <= seen
