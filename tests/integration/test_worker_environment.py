"""A worker sees just the devices of its job and uses their cores; the account of them holds."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ftd.jobs.model import Job, JobState
from ftd.jobs.supervisor import Supervisor
from tests.fakes.nvml import GIB, FakeCard, FakeNvml, FakePart
from tests.fakes.supervising import daemon, states_of, submit, until, watch
from tests.fakes.zygote_that_tells import seen_by
from tests.wait import wait_until

TELLS = Path(__file__).parent.parent / "fakes" / "zygote_that_tells.py"
COMMAND = (sys.executable, "-P", str(TELLS))
CORES = sorted(os.sched_getaffinity(0))[:2]
UUIDS = [f"GPU-{number}f2a9c1d-5d4c-41a6-9e0b-7f1c2d3e4f50" for number in range(4)]


def cards() -> FakeNvml:
    """Return four cards, the first two on the first core's side of the machine."""
    sides = [1 << CORES[number // 2] for number in range(4)]
    # In an order that is not that of the PCI bus.
    return FakeNvml(*(FakeCard(uuid=UUIDS[n], bus=n + 1, affinity=sides[n]) for n in (2, 0, 3, 1)))


async def seen(supervisor: Supervisor, *jobs: Job) -> list[Any]:
    """Return what the workers of some jobs saw, once these have ended."""
    told = [states_of(await watch(supervisor, job))[-1] for job in jobs]
    assert told == ["succeeded"] * len(jobs)
    return [seen_by((await supervisor.store.get(job.id)).run_dir) for job in jobs]


def visible(found: Any) -> str:
    return str(found["environment"]["CUDA_VISIBLE_DEVICES"])


async def test_a_worker_sees_its_card_by_uuid_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    async with daemon(tmp_path, COMMAND, devices="nvidia", nvml=cards) as supervisor:
        for device in supervisor.devices:
            if device.uuid != UUIDS[2]:
                await supervisor.drain(device.id, reason="")

        (found,) = await seen(supervisor, await submit(supervisor, "single"))

    assert visible(found) == UUIDS[2]
    assert found["environment"]["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert found["cores"] == CORES[1:]


async def test_a_gang_sees_all_its_cards_in_the_order_of_the_bus(tmp_path: Path) -> None:
    async with daemon(tmp_path, COMMAND, devices="nvidia", nvml=cards) as supervisor:
        await supervisor.drain(UUIDS[0], reason="")
        jobs = [await submit(supervisor, "three", devices=3)]
        await until(supervisor, jobs[0], JobState.STARTING)
        await supervisor.resume(UUIDS[0])
        jobs += [await submit(supervisor, "four", devices=4)]

        three, four = await seen(supervisor, *jobs)

    assert visible(three) == ",".join(UUIDS[1:])
    assert visible(four) == ",".join(UUIDS)
    assert four["cores"] == CORES


async def test_jobs_that_share_a_card_both_see_it(tmp_path: Path) -> None:
    async with daemon(tmp_path, COMMAND, devices="nvidia", nvml=cards) as supervisor:
        for uuid in UUIDS[1:]:
            await supervisor.drain(uuid, reason="")
        jobs = [
            await submit(supervisor, f"share-{n}", memory_bytes=30 * GIB, devices=1)
            for n in range(2)
        ]

        found = await seen(supervisor, *jobs)

    assert [visible(each) for each in found] == [UUIDS[0]] * 2


async def test_an_instance_of_mig_is_seen_by_its_own_uuid(tmp_path: Path) -> None:
    parts = [
        FakePart(uuid=f"MIG-{n}0b1c2d3-0000-5000-8000-000000000000", instance=n) for n in (7, 9)
    ]
    divided = FakeNvml(FakeCard(uuid=UUIDS[0], parts=parts))
    async with daemon(tmp_path, COMMAND, devices="nvidia", nvml=lambda: divided) as supervisor:
        await supervisor.drain(parts[0].uuid, reason="")

        (found,) = await seen(supervisor, await submit(supervisor, "part"))

    assert visible(found) == parts[1].uuid


@pytest.mark.parametrize("devices", ["cpu:2", "sim:2x4GiB"])
async def test_without_cards_a_worker_sees_none(
    tmp_path: Path, devices: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    async with daemon(tmp_path, COMMAND, devices=devices) as supervisor:
        (found,) = await seen(supervisor, await submit(supervisor, "single"))

    assert visible(found) == ""


async def test_a_processor_in_two_gives_each_job_cores_of_its_own(tmp_path: Path) -> None:
    async with daemon(tmp_path, COMMAND, devices="cpu:2") as supervisor:
        first, second = (device.cores for device in supervisor.devices)
        await supervisor.drain("cpu0", reason="")
        (on_second,) = await seen(supervisor, await submit(supervisor, "second"))
        await supervisor.resume("cpu0")
        (on_first,) = await seen(supervisor, await submit(supervisor, "first"))
        (on_both,) = await seen(supervisor, await submit(supervisor, "both", devices=2))

    assert not set(first) & set(second)
    assert (on_first["cores"], on_second["cores"]) == (list(first), list(second))
    assert on_both["cores"] == sorted([*first, *second])


def account(supervisor: Supervisor) -> list[tuple[str, Sequence[str], int]]:
    """Return the state, the jobs and the reserved GiB of each device."""
    return [
        (each.state.value, [guest.name for guest in each.guests], each.reserved_bytes // GIB)
        for each in supervisor.standings()
    ]


async def test_the_account_of_the_devices_is_right_after_a_restart(tmp_path: Path) -> None:
    machine = "sim:3x16GiB"
    async with daemon(tmp_path, devices=machine) as first:
        alone = await submit(first, "wait-alone")
        await until(first, alone, JobState.RUNNING)
        pair = await submit(first, "wait-pair", devices=2, memory_bytes=6 * GIB)
        await until(first, pair, JobState.RUNNING)
        share = await submit(first, "wait-share", memory_bytes=10 * GIB)
        await until(first, share, JobState.RUNNING)
        before = account(first)

    async with daemon(tmp_path, devices=machine) as second:
        after = account(second)
        await wait_until(
            lambda: all(second.figures(job).device_seconds for job in second.running())
        )
        held = [second.figures(job) for job in second.running()]
        late = await submit(second, "finish-late", memory_bytes=12 * GIB)
        await until(second, late, JobState.QUEUED, "waits for a device: wait-")
        await second.cancel(alone.id)
        await watch(second, late)
        (attempt,) = await second.store.attempts([late.id])
        for job in (pair, share):
            await second.cancel(job.id)
            await watch(second, job)
        attempts = await second.store.attempts([pair.id, share.id])

    assert after == before
    assert sorted(reserved for _, _, reserved in after) == [6, 16, 16]
    assert {each.job.name: len(each.devices) for each in held} == {
        "wait-pair": 2, "wait-share": 1, "wait-alone": 1,
    }  # fmt: skip
    assert attempt.devices == next(each.devices for each in held if each.job.name == "wait-alone")
    assert [each.number for each in attempts] == [1, 1]
    assert all(each.end_time and each.end_time > each.start_time for each in attempts)
