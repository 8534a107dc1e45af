"""A day of a machine with four devices: 24 jobs that share them, wait, fail, and all end.

The day is played once; the tests ask what a watcher has seen meanwhile.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import psutil
import pytest
import pytest_asyncio

from ftctl import AsyncJobHandle, Device, DeviceState, Job, JobState, OutcomeReason, ProgressMade
from tests.e2e.recipes import digits
from tests.e2e.serving import Serving, family, serving
from tests.e2e.watcher import Moment, Watcher, watching

GIB = 2**30
ENDLESS = 100_000
A_MOMENT = timedelta(seconds=1)
A_WHILE = timedelta(seconds=10)
READY = re.compile(
    r"waits its turn|waits for (a device|\d devices)\b|needs .* GiB: sim\d has .* left"
)
"""Why a job waits that could start now if there were room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What was seen."""

    moments: list[Moment]
    jobs: Mapping[str, Job]
    """As they have ended."""
    devices: tuple[Device, ...]
    """As they stood at the end."""
    beneath: list[str]
    """The processes beneath the daemon at the end."""
    left: list[psutil.Process]
    """Those that were still there when it had gone."""


def early(now: datetime) -> list[dict[str, Any]]:
    """Return the jobs that are submitted at the beginning."""
    shares = [4, 8, 12, 5, 3, 16, 6, 2, 7]
    return [
        digits("doomed", epochs=ENDLESS, priority=9, retries=0),
        digits("heir", after=["doomed"]),
        digits("overdue", epochs=ENDLESS, timeout="1s", resources={"memory": "2GiB"}, priority=8),
        digits("tomorrow", not_before=(now + A_MOMENT).isoformat(), priority=9),
        digits("pretrain", epochs=ENDLESS, priority=9, resources={"memory": "6GiB"}),
        digits("adapt", after=["pretrain"], resources={"memory": "6GiB"}),
        digits("distil", epochs=1, after=["adapt"]),
        *(digits(f"alone-{n}", epochs=1 + n % 3, priority=n % 3) for n in range(5)),
        *(
            digits(
                f"share-{n}", epochs=1 + n % 3, priority=n % 4, resources={"memory": f"{size}GiB"}
            )
            for n, size in enumerate(shares)
        ),
        digits("pair", epochs=3, priority=2, resources={"devices": 2, "memory": "6GiB"}),
        digits("couple", epochs=2, priority=1, resources={"devices": 2}),
    ]


WIDE = digits("wide", epochs=1, resources={"devices": 4, "memory": "1GiB"})
FAILED = {"doomed", "heir", "overdue"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def day(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Day]:
    """Play the day to its end, that of the daemon included."""
    state = tmp_path_factory.mktemp("fleet") / "state"
    async with serving(state, devices="sim:4x16GiB") as daemon, watching(daemon) as watcher:
        jobs = await play(daemon, watcher)
        beneath = [title(each) for each in watcher.daemon.children(recursive=True)]
    yield Day(
        moments=watcher.moments,
        jobs=jobs,
        devices=tuple(watcher.moments[-1].devices.values()),
        beneath=sorted(beneath),
        left=[each for each in watcher.processes if is_at_work(each)],
    )


async def play(daemon: Serving, watcher: Watcher) -> dict[str, Job]:
    """Run all jobs to their end; return them."""
    handles = [await daemon.client.submit(job) for job in early(datetime.now(UTC))]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(kill(handles[0], watcher))
        tasks.create_task(finish(next(h for h in handles if h.name == "pretrain"), watcher))
        wide = tasks.create_task(drain_and_resume(daemon, watcher))
    for handle in [*handles, wide.result()]:
        await handle.wait()
    await watcher.until(lambda now: not now.placed() and all(map(is_settled, now.jobs.values())))
    return {handle.name: await handle.get() for handle in [*handles, wide.result()]}


def title(process: psutil.Process) -> str:
    return " ".join(process.cmdline()).strip()


def is_at_work(process: psutil.Process) -> bool:
    """Whether a process is there, as more than a word that nobody has fetched."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def is_settled(job: Job) -> bool:
    """Whether nothing of a job is open any more."""
    return job.state.is_terminal and all(each.end_time for each in job.attempts)


def is_seen(first: str, then: str, now: Moment) -> bool:
    """Whether the first of two jobs runs and the other one says that it waits for it."""
    told = now.jobs[then].reason if then in now.jobs else ""
    does_run = first in now.placed() and now.jobs[first].state is JobState.RUNNING
    return does_run and told == f"waits for {first}"


async def finish(handle: AsyncJobHandle, watcher: Watcher) -> None:
    """Have an endless job end well, after its epoch."""
    await watcher.until(partial(is_seen, "pretrain", "adapt"))
    await handle.cancel(finish=True)


async def kill(handle: AsyncJobHandle, watcher: Watcher) -> None:
    """End a worker as the kernel does where memory runs out."""
    await watcher.until(partial(is_seen, "doomed", "heir"))
    async for event in handle.watch():
        if isinstance(event, ProgressMade):
            break
    _, worker, *_ = family(await handle.get())
    worker.kill()


async def drain_and_resume(daemon: Serving, watcher: Watcher) -> AsyncJobHandle:
    """Drain two devices while jobs are on them; return a job that needed them both."""
    reasons = {"sim1": "new fan", "sim2": ""}
    for device, reason in reasons.items():
        await watcher.until(partial(is_busy, device))
        await watcher.drain(device, reason)
    wide = await daemon.client.submit(WIDE)
    await watcher.until(
        lambda now: (
            all(now.devices[each].state is DeviceState.DRAINED for each in reasons)
            and "wide" in now.jobs
            and now.jobs["wide"].reason.startswith("needs 4 devices")
        )
    )
    for device in reasons:
        await watcher.resume(device)
    return wide


def is_busy(device: str, now: Moment) -> bool:
    return bool(now.on(device))


def test_every_job_ends_as_it_should(day: Day) -> None:
    ended = {name: job.state for name, job in day.jobs.items()}

    assert len(ended) == 24
    assert {name for name, state in ended.items() if state is JobState.FAILED} == FAILED
    assert {ended[name] for name in ended.keys() - FAILED} == {JobState.SUCCEEDED}


def test_those_that_fail_say_why(day: Day) -> None:
    how = {name: day.jobs[name].outcome for name in FAILED}
    told = {name: (each.reason, each.signal, each.message) for name, each in how.items() if each}

    assert told == {
        "doomed": (
            OutcomeReason.KILLED_BY_SIGNAL, 9, "The worker was ended by signal 9 (SIGKILL).",
        ),
        "heir": (
            OutcomeReason.DEPENDENCY_FAILED, None,
            "doomed, which it waited for, ended FAILED.",
        ),
        "overdue": (
            OutcomeReason.TIMED_OUT, None, "It ran for longer than its timeout, 0:00:01.",
        ),
    }  # fmt: skip


def test_a_job_that_waits_says_why_at_every_moment(day: Day) -> None:
    waiting = [job for now in day.moments for job in now.jobs.values() if is_queued(job)]

    reasons = {job.reason for job in waiting}

    assert len(waiting) > 50
    assert "" not in reasons
    assert {"waits for doomed", "waits for pretrain", "waits its turn"} <= reasons
    assert (
        "needs 4 devices with 1 GiB each: 2 of 4 have that (sim1 drained: new fan; sim2 drained)"
    ) in reasons


def test_no_device_ever_holds_more_than_it_has(day: Day) -> None:
    for device in (each for now in day.moments for each in now.devices.values()):
        alone = [job for job in device.jobs if job.memory_bytes is None]
        declared = sum(job.memory_bytes or 0 for job in device.jobs)

        assert declared <= device.memory_total_bytes
        assert len(device.jobs) == 1 or not alone
        assert device.memory_reserved_bytes == (device.memory_total_bytes if alone else declared)
    assert max(len(each.jobs) for now in day.moments for each in now.devices.values()) >= 2


def test_nor_by_the_account_of_what_jobs_held_when(day: Day) -> None:
    for device in ("sim0", "sim1", "sim2", "sim3"):
        held = [stay for stay in stays(day) if stay.device == device]
        assert held
        for stay in held:
            beside = [each for each in held if each.start <= stay.start < each.end]
            assert len(beside) == 1 or all(each.job.memory_bytes for each in beside)
            assert sum(each.job.memory_bytes or 0 for each in beside) <= 16 * GIB


def test_jobs_are_seen_on_the_devices_of_their_account(day: Day) -> None:
    seen = {
        (name, device) for now in day.moments for device in now.devices for name in now.on(device)
    }

    assert seen <= {(stay.job.name, stay.device) for stay in stays(day)}
    names = {name for name, _ in seen}
    # A short job may come and go between two looks of a busy machine.
    assert {"doomed", "pretrain"} <= names <= day.jobs.keys() - {"heir"}
    assert len(names) > len(day.jobs) / 2


def test_a_drained_device_gets_no_new_job(day: Day) -> None:
    closed = [(now, device) for now in day.moments for device in now.closed]

    assert {device for _, device in closed} == {"sim1", "sim2"}
    for now, device in closed:
        assert now.on(device) <= now.closed[device]
        state = DeviceState.DRAINING if now.on(device) else DeviceState.DRAINED
        assert now.devices[device].state is state
        assert now.devices[device].reason == ("new fan" if device == "sim1" else "")


def test_priorities_are_kept(day: Day) -> None:
    pairs: set[tuple[str, str]] = set()
    passed_over: list[tuple[str, str]] = []
    for now, later in pairwise(day.moments):
        # Not by when they started: of two that are placed at once, either may be ready first.
        passed_over += [
            (one, other)
            for one, other in pairs
            if other in now.placed() and one not in now.placed() and is_queued(later.jobs[one])
        ]
        pairs |= {*comparable(now)}

    assert len(pairs) >= 5
    assert passed_over == []


def test_waits_are_as_long_as_they_should_be(day: Day) -> None:
    jobs = day.jobs
    for earlier, later in (("pretrain", "adapt"), ("adapt", "distil")):
        assert moment(jobs[earlier].end_time) <= moment(jobs[later].start_time)
    assert moment(jobs["tomorrow"].start_time) >= moment(jobs["tomorrow"].not_before)
    spent = moment(jobs["overdue"].end_time) - moment(jobs["overdue"].start_time)
    assert timedelta(seconds=1) <= spent < timedelta(seconds=10)


def test_what_jobs_held_is_accounted_for(day: Day) -> None:
    for job in day.jobs.values():
        held = [stay for stay in stays(day) if stay.job is job]
        seconds = sum((stay.end - stay.start).total_seconds() for stay in held)

        assert len(job.attempts) == job.attempt == (0 if job.name == "heir" else 1)
        assert len(held) == len(job.attempts) * job.devices
        assert job.device_seconds == pytest.approx(seconds, abs=1e-3)
        for stay in held:
            assert abs(stay.start - moment(job.start_time)) < A_WHILE
            assert abs(stay.end - moment(job.end_time)) < A_WHILE
            assert stay.start < stay.end


def test_at_the_end_all_devices_are_free_and_no_process_is_left(day: Day) -> None:
    assert [device.id for device in day.devices] == ["sim0", "sim1", "sim2", "sim3"]
    for device in day.devices:
        assert (device.state, device.reason) == (DeviceState.FREE, "")
        assert (device.memory_reserved_bytes, device.memory_used_bytes, device.jobs) == (0, 0, ())
    assert day.beneath == ["finetuned spare shim", "finetuned spare worker", "finetuned zygote"]
    assert day.left == []


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A job on a device."""

    job: Job
    device: str
    start: datetime
    end: datetime


def stays(day: Day) -> list[Stay]:
    """Return who was where from when to when."""
    return [
        Stay(job=job, device=device, start=moment(each.start_time), end=moment(each.end_time))
        for job in day.jobs.values()
        for each in job.attempts
        for device in each.devices
    ]


def moment(told: datetime | None) -> datetime:
    """Return a moment that must have come."""
    assert told is not None
    return told


def is_queued(job: Job) -> bool:
    return job.state is JobState.QUEUED


def comparable(now: Moment) -> Iterator[tuple[str, str]]:
    """Yield two jobs of which the first is not to be placed later than the second.

    It is ready, has the higher priority, and needs no more; neither has been placed yet.
    """
    waiting = [job for job in now.jobs.values() if is_queued(job) and job.name not in now.placed()]
    for higher in waiting:
        for lower in waiting:
            is_higher = higher.priority > lower.priority and needs_no_more(higher, lower)
            if is_higher and READY.match(higher.reason):
                yield higher.name, lower.name


def needs_no_more(one: Job, other: Job) -> bool:
    """Whether there is room for one wherever there is room for the other."""
    if one.devices > other.devices:
        return False
    return other.memory_bytes is None or (one.memory_bytes or 17 * GIB) <= other.memory_bytes
