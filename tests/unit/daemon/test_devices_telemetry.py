"""The telemetry: real processes on processors and simulated devices, the fake NVML for cards."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ftd.devices import nvml
from ftd.devices.inventory import open_inventory
from ftd.devices.model import Device, DeviceId, Inventory, JobMemory, Sample, Tenant
from ftd.devices.simulated import SimulatedInventory
from ftd.devices.telemetry import Telemetry
from tests.fakes.holding import MIB, holding
from tests.fakes.nvml import GIB, FakeCard, FakeNvml
from tests.wait import wait_until

GPU = "gpu-3f2a9c1d"


@dataclass
class Watched:
    """A telemetry, with the jobs that it is told of and the calls that it made."""

    inventory: Inventory
    patience_s: float = 60.0
    house: int | None = None
    tenants: list[Tenant] = field(default_factory=list)
    calls: int = 0

    def __post_init__(self) -> None:
        self.telemetry = Telemetry(
            self.inventory,
            lambda: self.tenants,
            changed=self._count,
            interval_s=0.001,
            patience_s=self.patience_s,
            house=self.house,
        )

    def _count(self) -> None:
        self.calls += 1

    def faults(self) -> dict[DeviceId, str]:
        return {each: now.sample.fault for each, now in self.telemetry.readings.items()}


class Balky:
    """Simulated devices that can be made to hang or to fail."""

    def __init__(self) -> None:
        self._inner = SimulatedInventory(2, GIB)
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.samples = 0
        self.error: Exception | None = None

    @property
    def devices(self) -> Sequence[Device]:
        return self._inner.devices

    def sample(self) -> Mapping[DeviceId, Sample]:
        self.samples += 1
        self.may_answer.wait(60)
        if self.error:
            raise self.error
        return self._inner.sample()

    def environment(self, ids: Sequence[DeviceId]) -> Mapping[str, str]:
        return self._inner.environment(ids)

    def close(self) -> None:
        self.may_answer.set()


@pytest.fixture
def balky() -> Iterator[Balky]:
    balky = Balky()
    yield balky
    balky.close()


@contextlib.asynccontextmanager
async def running(telemetry: Telemetry) -> AsyncIterator[None]:
    task = asyncio.create_task(telemetry.run(), name="telemetry")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


def card(card: FakeCard) -> Inventory:
    return nvml.open_cards(FakeNvml(card))


def h100() -> FakeCard:
    return FakeCard(uuid="GPU-3f2a9c1d-1111-2222-3333-444455556666")


def pss_bytes(pids: Sequence[int]) -> int:
    """Return the kernel's figure, added up mapping by mapping."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/smaps").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024


def child_of(pid: int) -> int:
    stats = [path.read_text().rpartition(")") for path in Path("/proc").glob("[0-9]*/stat")]
    (child,) = [int(head.split()[0]) for head, _, rest in stats if int(rest.split()[1]) == pid]
    return child


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


# --- faults -----------------------------------------------------------------------------------


async def test_a_device_that_falls_ill_and_recovers_is_told_and_logged_once_each() -> None:
    h = h100()
    watched = Watched(card(h))
    with capture_logs() as logs:
        for pages, looks in ((0, 1), (1, 3), (0, 2)):
            h.pages_pending = pages
            for _ in range(looks):
                await watched.telemetry.look()

    assert watched.calls == 2
    assert [(log["event"], log["device"]) for log in logs] == [
        ("device_unhealthy", GPU), ("device_well", GPU),
    ]  # fmt: skip
    assert logs[0]["fault"] == "has to retire a broken page of its memory; reset it"


async def test_an_inventory_that_fails_is_a_fault_logged_once_and_the_loop_goes_on(
    balky: Balky,
) -> None:
    watched = Watched(balky)
    await watched.telemetry.look()
    balky.error = OSError("the bus is on fire")

    with capture_logs() as logs:
        async with running(watched.telemetry):
            await wait_until(lambda: balky.samples >= 5)
            fault = "cannot be read: OSError: the bus is on fire"
            assert watched.faults() == {"sim0": fault, "sim1": fault}
            balky.error = None
            await wait_until(lambda: watched.faults() == {"sim0": "", "sim1": ""})

    assert watched.calls == 2
    assert [log["event"] for log in logs] == [
        "devices_unreadable",
        "device_unhealthy",
        "device_unhealthy",
        "devices_answer_again",
        "device_well",
        "device_well",
    ]
    assert logs[0]["reason"] == "OSError: the bus is on fire"


async def test_figures_of_the_last_look_stay_while_the_inventory_fails(balky: Balky) -> None:
    watched = Watched(balky)
    with holding(50 * MIB) as holder:
        watched.tenants = [Tenant(job_id="a", pid=holder.pid, devices=("sim0",))]
        await watched.telemetry.look()
        before, jobs = watched.telemetry.readings["sim0"], dict(watched.telemetry.jobs)
        balky.error = OSError("gone")
        await watched.telemetry.look()

    after = watched.telemetry.readings["sim0"]
    assert (after.time, after.memory_used_bytes) == (before.time, before.memory_used_bytes)
    assert watched.telemetry.jobs == jobs


async def test_a_driver_that_hangs_blocks_nobody_and_is_a_fault_until_it_answers(
    balky: Balky,
) -> None:
    watched = Watched(balky, patience_s=0.01)
    balky.may_answer.clear()

    await watched.telemetry.look()
    await watched.telemetry.look()

    fault = "cannot be read: the driver has not answered for 0.01 s"
    assert watched.faults() == {"sim0": fault, "sim1": fault}
    assert balky.samples == 1  # it is not asked again while it hangs
    balky.may_answer.set()
    async with running(watched.telemetry):
        await wait_until(lambda: watched.faults() == {"sim0": "", "sim1": ""})


async def test_the_event_loop_goes_on_while_a_look_lasts(balky: Balky) -> None:
    watched = Watched(balky)
    balky.may_answer.clear()
    look = asyncio.create_task(watched.telemetry.look())

    await wait_until(lambda: balky.samples == 1)  # runs in the loop that a look would block
    assert not look.done()

    balky.may_answer.set()
    await look
    assert watched.telemetry.readings["sim0"].time is not None


# --- when it looks ----------------------------------------------------------------------------


async def test_before_the_first_look_every_device_has_an_empty_reading(balky: Balky) -> None:
    watched = Watched(balky)

    assert [reading.time for reading in watched.telemetry.readings.values()] == [None, None]
    assert watched.telemetry.jobs == {}


async def test_the_loop_looks_again_and_again(balky: Balky) -> None:
    watched = Watched(balky)

    async with running(watched.telemetry):
        await wait_until(lambda: balky.samples >= 3)


async def test_many_who_ask_at_once_share_a_look_that_began_after_they_asked(
    balky: Balky,
) -> None:
    watched = Watched(balky)
    balky.may_answer.clear()
    first = asyncio.create_task(watched.telemetry.look())
    await wait_until(lambda: balky.samples == 1)
    others = [asyncio.create_task(watched.telemetry.look()) for _ in range(10)]
    await asyncio.sleep(0)  # they all ask now

    balky.may_answer.set()
    await asyncio.gather(first, *others)

    assert balky.samples == 2


async def test_a_look_without_jobs_costs_next_to_nothing() -> None:
    watched = Watched(open_inventory("cpu"))
    await watched.telemetry.look()  # counts all processes; not again within a minute

    before = time.process_time()
    for _ in range(50):
        await watched.telemetry.look()
    spent = (time.process_time() - before) / 50

    assert spent < 0.005  # a thousandth of the five seconds from look to look
