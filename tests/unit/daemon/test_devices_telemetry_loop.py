"""The telemetry where devices fail or hang, and when it looks at them."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from ftd.devices.inventory import open_inventory
from ftd.devices.model import Tenant
from tests.fakes.holding import MIB, holding
from tests.fakes.watching import GPU, Balky, Watched, card, h100, running
from tests.wait import wait_until


@pytest.fixture
def balky() -> Iterator[Balky]:
    balky = Balky()
    yield balky
    balky.close()


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
