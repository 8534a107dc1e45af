"""The telemetry: real processes on processors and simulated devices, the fake NVML for cards."""

import os

import pytest

from ftd.devices.inventory import open_inventory
from ftd.devices.model import JobMemory, Tenant
from tests.fakes.holding import MIB, holding
from tests.fakes.nvml import GIB
from tests.fakes.watching import GPU, Watched, card, child_of, h100, pss_bytes

# --- jobs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["cpu", "sim:2x16GiB"])
async def test_the_memory_of_a_job_is_the_pss_of_its_whole_tree(spec: str) -> None:
    watched = Watched(open_inventory(spec))
    device = watched.inventory.devices[0].id

    with holding(200 * MIB, beneath=True) as holder:
        watched.tenants = [Tenant(job_id="a", pid=holder.pid, devices=(device,))]
        await watched.telemetry.look()
        told = pss_bytes([holder.pid, child_of(holder.pid)])

    used = watched.telemetry.jobs["a"].used_bytes
    assert used == pytest.approx(told, rel=0.1)
    assert used >= 200 * MIB
    assert watched.telemetry.readings[device].memory_used_bytes >= used


async def test_the_peak_is_the_most_that_was_seen() -> None:
    watched = Watched(open_inventory("sim:1x16GiB"))

    with holding(200 * MIB) as holder:
        watched.tenants = [Tenant(job_id="a", pid=holder.pid, devices=("sim0",))]
        await watched.telemetry.look()
        high = watched.telemetry.jobs["a"]
        holder.let_go()
        await watched.telemetry.look()
        low = watched.telemetry.jobs["a"]

    assert high.peak_bytes == high.used_bytes > 200 * MIB
    assert low.used_bytes < 50 * MIB
    assert low.peak_bytes == high.peak_bytes


async def test_a_job_that_has_ended_is_gone_at_the_next_look() -> None:
    watched = Watched(open_inventory("sim:1x16GiB"))
    with holding(50 * MIB) as holder:
        watched.tenants = [Tenant(job_id="a", pid=holder.pid, devices=("sim0",))]
        await watched.telemetry.look()
    watched.tenants = []

    await watched.telemetry.look()

    assert watched.telemetry.jobs == {}
    assert watched.telemetry.readings["sim0"].memory_used_bytes == 0


async def test_a_job_whose_processes_are_gone_uses_nothing() -> None:
    watched = Watched(open_inventory("cpu"))
    with holding(MIB) as holder:
        watched.tenants = [Tenant(job_id="a", pid=holder.pid, devices=("cpu",))]

    await watched.telemetry.look()

    assert watched.telemetry.jobs == {"a": JobMemory(used_bytes=0, peak_bytes=0)}
    assert watched.faults() == {"cpu": ""}


async def test_on_a_card_a_job_uses_what_the_driver_says_of_its_tree() -> None:
    h = h100()
    h.used = 9 * GIB
    watched = Watched(card(h))

    with holding(MIB, beneath=True) as holder:
        h.compute = {child_of(holder.pid): 7 * GIB, 1: 2 * GIB}
        watched.tenants = [Tenant(job_id="a", pid=holder.pid, devices=(GPU,))]
        await watched.telemetry.look()

    reading = watched.telemetry.readings[GPU]
    assert watched.telemetry.jobs == {"a": JobMemory(used_bytes=7 * GIB, peak_bytes=7 * GIB)}
    assert (reading.memory_used_bytes, reading.memory_foreign_bytes) == (9 * GIB, 2 * GIB)
    assert [each.pid for each in reading.foreign] == [1]


# --- others -----------------------------------------------------------------------------------


async def test_on_the_processor_other_processes_are_foreign_and_named() -> None:
    with holding(400 * MIB) as stranger, holding(MIB) as house, holding(400 * MIB) as worker:
        watched = Watched(open_inventory("cpu"), house=house.pid)
        watched.tenants = [Tenant(job_id="a", pid=worker.pid, devices=("cpu",))]
        await watched.telemetry.look()

    reading = watched.telemetry.readings["cpu"]
    named = {each.pid: each for each in reading.foreign}
    assert named[stranger.pid].memory_bytes == pytest.approx(400 * MIB, rel=0.1)
    assert named[stranger.pid].name.startswith("python")
    assert worker.pid not in named
    assert reading.memory_foreign_bytes >= 400 * MIB


async def test_what_the_daemon_keeps_waiting_is_not_foreign() -> None:
    with holding(400 * MIB) as waiting:
        watched = Watched(open_inventory("cpu"))
        await watched.telemetry.look()

    assert waiting.pid not in {each.pid for each in watched.telemetry.readings["cpu"].foreign}


async def test_on_a_simulated_device_nothing_is_foreign() -> None:
    with holding(50 * MIB) as house:
        watched = Watched(open_inventory("sim:1x16GiB"), house=house.pid)
        await watched.telemetry.look()

    assert watched.telemetry.readings["sim0"].memory_foreign_bytes == 0


async def test_who_waits_is_told_when_others_let_go_of_memory() -> None:
    h = h100()
    h.used, h.compute = 3 * GIB, {1: 3 * GIB}
    watched = Watched(card(h))
    await watched.telemetry.look()
    watched.calls = 0

    h.used, h.compute = GIB, {1: GIB}
    await watched.telemetry.look()
    assert watched.calls == 1

    await watched.telemetry.look()
    assert watched.calls == 1


async def test_who_waits_is_told_of_memory_that_goes_little_by_little() -> None:
    h = h100()
    watched = Watched(card(h))
    for left in range(10):
        h.used, h.compute = GIB - left * 10 * MIB, {1: GIB - left * 10 * MIB}
        await watched.telemetry.look()

    assert watched.calls == 2  # the gigabyte that was there, and what had gone after seven looks


async def test_who_waits_is_told_when_others_take_memory() -> None:
    h = h100()
    watched = Watched(card(h))
    for taken in range(1, 4):
        h.used, h.compute = taken * GIB, {1: taken * GIB}
        await watched.telemetry.look()

    assert watched.calls == 3


async def test_processes_that_cannot_be_seen_from_here_are_not_taken_for_strangers() -> None:
    """In a container the driver tells the host's numbers: our own job's among them."""
    h, hidden = h100(), 2**22 + 1  # above the largest process id of Linux
    watched = Watched(card(h), tenants=[Tenant(job_id="j", pid=os.getpid(), devices=(GPU,))])
    h.used, h.compute = 10 * GIB, {hidden: 10 * GIB}
    await watched.telemetry.look()

    assert watched.telemetry.readings[GPU].memory_foreign_bytes == 0
    assert watched.telemetry.jobs["j"].used_bytes == 10 * GIB
