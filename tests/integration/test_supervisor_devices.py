"""Jobs over several devices: who is where, for how long, and who waits for what."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from ftd.devices.model import Sample
from ftd.devices.simulated import SimulatedInventory
from ftd.errors import QueueFull
from ftd.jobs.fleet import DeviceState
from ftd.jobs.model import Attempt, Job, JobState, OutcomeReason
from ftd.jobs.store.writes import QueueLimits
from ftd.jobs.supervisor import Supervisor, utc_now
from tests.fakes.supervising import daemon, states_of, submit, until, watch, worker_of
from tests.wait import wait_until

GIB = 1 << 30
MACHINE = "sim:2x16GiB"


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    async with daemon(tmp_path, devices=MACHINE) as working:
        yield working


async def running(supervisor: Supervisor, name: str, **needs: Any) -> Job:
    job = await submit(supervisor, name, **needs)
    await until(supervisor, job, JobState.RUNNING)
    return job


async def attempts_of(supervisor: Supervisor, job: Job) -> list[Attempt]:
    return await supervisor.store.attempts([job.id])


def guests(supervisor: Supervisor) -> list[list[str]]:
    return [[guest.name for guest in each.guests] for each in supervisor.standings()]


async def test_two_jobs_run_side_by_side_and_the_third_waits(supervisor: Supervisor) -> None:
    await running(supervisor, "wait-1")
    await running(supervisor, "wait-2")
    third = await submit(supervisor, "finish")
    await until(supervisor, third, JobState.QUEUED, "waits for a device: wait-1 and wait-2 run")

    await supervisor.cancel("wait-2")

    assert states_of(await watch(supervisor, third))[-1] == "succeeded"
    assert [each.devices for each in await attempts_of(supervisor, third)] == [("sim1",)]


async def test_jobs_that_say_their_memory_share_a_device(supervisor: Supervisor) -> None:
    names = ["wait-a", "wait-b", "wait-c", "wait-d"]
    for name in names:
        await running(supervisor, name, memory_bytes=8 * GIB)
    late = await submit(supervisor, "wait-e", memory_bytes=GIB)
    await until(supervisor, late, JobState.QUEUED, "needs 1 GiB: sim0 has")

    assert sorted(map(len, guests(supervisor))) == [2, 2]
    assert [each.reserved_bytes for each in supervisor.standings()] == [16 * GIB] * 2


async def test_a_gang_gets_all_its_devices_or_none(supervisor: Supervisor) -> None:
    await running(supervisor, "wait-1")
    gang = await submit(supervisor, "wait-gang", devices=2)
    await until(supervisor, gang, JobState.QUEUED, "waits for 2 devices: wait-1 runs")
    small = await submit(supervisor, "finish")
    await until(supervisor, small, JobState.QUEUED, "waits its turn")

    await supervisor.cancel("wait-1")
    await until(supervisor, gang, JobState.RUNNING)

    assert guests(supervisor) == [["wait-gang"], ["wait-gang"]]
    await supervisor.cancel("wait-gang")
    await watch(supervisor, small)
    (attempt,) = await attempts_of(supervisor, gang)
    assert attempt.devices == ("sim0", "sim1")
    assert attempt.end_time is not None
    await wait_until(lambda: all(each.state is DeviceState.FREE for each in supervisor.standings()))


async def test_a_drained_device_takes_no_job_until_it_is_resumed(supervisor: Supervisor) -> None:
    await running(supervisor, "wait-1")
    draining = await supervisor.drain("sim0", reason="new fans")
    drained = await supervisor.drain("sim1", reason="")
    waiting = await submit(supervisor, "finish")
    await until(supervisor, waiting, JobState.QUEUED, "all 2 devices are drained")

    await supervisor.resume("sim1")

    assert (draining.state, drained.state) == (DeviceState.DRAINING, DeviceState.DRAINED)
    assert states_of(await watch(supervisor, waiting))[-1] == "succeeded"
    assert [each.devices for each in await attempts_of(supervisor, waiting)] == [("sim1",)]


async def test_a_drain_lasts_over_a_restart(tmp_path: Path) -> None:
    async with daemon(tmp_path, devices=MACHINE) as first:
        await first.drain("sim1", reason="new fans")

    async with daemon(tmp_path, devices=MACHINE) as second:
        (_, drained) = await second.look_at_devices()

    assert (drained.state, drained.reason) == (DeviceState.DRAINED, "new fans")


async def test_a_job_keeps_its_devices_over_a_restart(tmp_path: Path) -> None:
    async with daemon(tmp_path, devices=MACHINE) as first:
        await first.drain("sim0", reason="")
        job = await running(first, "wait-1")
        await first.resume("sim0")

    async with daemon(tmp_path, devices=MACHINE) as second:
        assert guests(second) == [[], ["wait-1"]]
        await second.cancel("wait-1")
        await watch(second, job)
        assert len(await attempts_of(second, job)) == 1


async def test_no_job_is_placed_before_the_devices_were_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with daemon(tmp_path, devices="sim:1x16GiB") as first:
        blocker = await submit(first, "wait-1")
        await until(first, blocker, JobState.RUNNING)
        job = await submit(first, "finish")
        await until(first, job, JobState.QUEUED, "waits for a device")
    ill = {"sim0": Sample(), "sim1": Sample(fault="has fallen off the bus")}
    monkeypatch.setattr(SimulatedInventory, "sample", lambda _: ill)

    async with daemon(tmp_path, devices=MACHINE) as second:
        await second.look_at_devices()
        await second.cancel("wait-1")
        await watch(second, job)

        assert [each.devices for each in await attempts_of(second, job)] == [("sim0",)]


async def test_a_job_whose_device_is_gone_goes_on_and_ends(tmp_path: Path) -> None:
    async with daemon(tmp_path, devices=MACHINE) as first:
        await first.drain("sim0", reason="")
        job = await running(first, "wait-1")

    async with daemon(tmp_path, devices="sim:1x16GiB") as second:
        assert guests(second) == [[]]
        assert [each.job.name for each in second.holders()] == ["wait-1"]
        await second.cancel("wait-1")
        assert states_of(await watch(second, job))[-1] == "cancelled"


async def test_a_job_ends_when_its_time_is_up(supervisor: Supervisor) -> None:
    job = await submit(supervisor, "ignore-sigterm", timeout_s=1.0)

    await watch(supervisor, job)

    ended = await supervisor.store.get(job.id)
    assert ended.state is JobState.FAILED
    assert ended.outcome is not None
    assert ended.outcome.reason is OutcomeReason.TIMED_OUT
    assert ended.outcome.message == "It ran for longer than its timeout, 0:00:01."
    assert ended.outcome.remedy.startswith("Its last checkpoint is kept.")
    assert ended.start_time is not None
    assert ended.end_time is not None
    assert ended.end_time - ended.start_time >= timedelta(seconds=1)


async def test_the_time_goes_on_while_no_daemon_is_there(tmp_path: Path) -> None:
    async with daemon(tmp_path) as first:
        job = await running(first, "wait-1", timeout_s=1.0)

    async with daemon(tmp_path) as second:
        await watch(second, job)
        ended = await second.store.get(job.id)

    assert ended.outcome is not None
    assert ended.outcome.reason is OutcomeReason.TIMED_OUT


async def test_time_in_which_nothing_ran_is_nobodys(tmp_path: Path) -> None:
    async with daemon(tmp_path) as first:
        job = await submit(first, "wait-1", timeout_s=3600.0)
        await until(first, job, JobState.RUNNING)
        worker = worker_of(await first.store.get(job.id))
    shim = worker.parent()
    assert shim is not None
    shim.kill()  # and its worker with it
    psutil.wait_procs([shim, worker], timeout=10)

    async with daemon(tmp_path, clock=lambda: utc_now() + timedelta(hours=3)) as second:
        await until(second, job, JobState.QUEUED, "attempt 1 was lost")
        await second.cancel(job.id)
        await watch(second, job)
        attempt = (await attempts_of(second, job))[0]

    assert attempt.end_time is not None
    assert attempt.end_time - attempt.start_time < timedelta(minutes=1)


async def test_a_job_waits_for_its_moment_and_holds_nobody_up(supervisor: Supervisor) -> None:
    await watch(supervisor, await submit(supervisor, "finish-first"))  # So the zygote is there.
    moment = utc_now() + timedelta(seconds=2)
    later = await submit(supervisor, "finish-later", not_before=moment, priority=9)
    await until(supervisor, later, JobState.QUEUED, f"waits until {moment:%Y-%m-%d %H:%M}")
    at_once = await submit(supervisor, "finish-at-once")
    await watch(supervisor, at_once)

    assert states_of(await watch(supervisor, later))[-1] == "succeeded"
    (attempt,) = await attempts_of(supervisor, later)
    assert attempt.start_time >= moment


async def test_a_full_queue_takes_no_more(tmp_path: Path) -> None:
    async with daemon(tmp_path, limits=QueueLimits(all=1)) as supervisor:
        await running(supervisor, "wait-1")
        await submit(supervisor, "wait-2")

        with pytest.raises(QueueFull, match="the queue is full: 1 jobs wait"):
            await submit(supervisor, "wait-3")
