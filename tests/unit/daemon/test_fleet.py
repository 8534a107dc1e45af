"""Who is on which device, and which take no more."""

from dataclasses import replace
from typing import Any

import pytest

from ftd.devices.model import DeviceKind, Reading, Sample, Usage
from ftd.errors import AmbiguousDeviceId, DeviceNotFound
from ftd.jobs.fleet import DeviceState, Fleet
from ftd.jobs.model import Job, JobState
from tests.fakes.devices import GIB, make_device, make_devices
from tests.fakes.jobs import NOW, request


def make_job(name: str, **changes: Any) -> Job:
    return Job(
        id=name * 8, number=1, request=request(name, **changes), after_ids=(), references={},
        state=JobState.RUNNING, create_time=NOW,
    )  # fmt: skip


def test_a_device_is_free_busy_and_free_again() -> None:
    fleet = Fleet([make_device()], {})
    (free,) = fleet.standings()
    fleet.hold(make_job("a"), ["sim0"])
    (busy,) = fleet.standings()
    fleet.release("a" * 8)

    assert (free.state, busy.state) == (DeviceState.FREE, DeviceState.BUSY)
    assert [guest.name for guest in busy.guests] == ["a"]
    assert busy.reserved_bytes == 16 * GIB
    assert fleet.standings()[0].state is DeviceState.FREE


def test_what_jobs_declare_is_reserved() -> None:
    fleet = Fleet([make_device()], {})
    fleet.hold(make_job("a", memory_bytes=3 * GIB), ["sim0"])
    fleet.hold(make_job("b", memory_bytes=4 * GIB), ["sim0"])

    assert fleet.standings()[0].reserved_bytes == 7 * GIB
    assert [tenant.memory_bytes for tenant in fleet.places()[0].tenants] == [3 * GIB, 4 * GIB]


def test_a_drained_device_takes_nothing_while_its_job_goes_on() -> None:
    device = make_device()
    fleet = Fleet([device], {})
    fleet.hold(make_job("a"), ["sim0"])
    fleet.drain(device, "new fans")

    assert fleet.standing(device).state is DeviceState.DRAINING
    assert fleet.places()[0].closed == "drained: new fans"
    fleet.release("a" * 8)
    assert fleet.standing(device).state is DeviceState.DRAINED
    fleet.resume(device)
    assert fleet.places()[0].closed == ""


def test_drains_of_before_hold_by_uuid() -> None:
    fleet = Fleet(make_devices(2), {"SIM-00000001": ""})

    assert [place.closed for place in fleet.places()] == ["", "drained"]


def test_a_device_waits_for_what_is_left_of_a_job_by_name() -> None:
    fleet = Fleet(make_devices(2), {})
    fleet.hold(make_job("a"), ["sim0"])

    assert fleet.detain("a" * 8, ["python (7)", "sleep (8)"])
    assert not fleet.detain("a" * 8, ["python (7)", "sleep (8)"])

    held, other = fleet.standings()
    assert (held.state, other.state) == (DeviceState.UNHEALTHY, DeviceState.FREE)
    assert held.reason == "held by python (7), sleep (8) of a, which nothing could end"
    assert held.left == ("python (7)", "sleep (8)")
    assert fleet.places()[0].closed == f"unhealthy: {held.reason}"
    fleet.release("a" * 8)
    assert fleet.standings()[0].state is DeviceState.FREE


def test_an_ill_device_is_unhealthy_and_foreign_memory_is_named() -> None:
    fleet = Fleet([make_device()], {"SIM-00000000": "new fans"})
    reading = Reading(
        time=NOW, memory_foreign_bytes=GIB, sample=Sample(fault="XID 79"),
        foreign=(Usage(pid=7, memory_bytes=GIB, name="python"),),
    )  # fmt: skip
    fleet.readings = lambda: {"sim0": reading}

    assert fleet.standings()[0].state is DeviceState.UNHEALTHY
    (place,) = fleet.places()
    assert place.closed == "unhealthy: XID 79"
    assert (place.foreign_bytes, place.foreign_names) == (GIB, ("python (7)",))


def test_small_drifts_of_a_processors_memory_are_not_told() -> None:
    fleet = Fleet([make_device(kind=DeviceKind.CPU)], {})
    told = []
    for mebibytes in (3000, 3200, 2900, 3600, 3500):
        foreign = (Usage(pid=mebibytes, memory_bytes=1, name="python"),)
        reading = Reading(memory_foreign_bytes=mebibytes << 20, foreign=foreign)
        fleet.readings = lambda reading=reading: {"sim0": reading}
        (place,) = fleet.places()
        told.append((place.foreign_bytes >> 20, place.foreign_names))

    assert told == [(3000, ("python (3000)",))] * 3 + [(3600, ("python (3600)",))] * 2


def test_a_card_is_told_as_it_is() -> None:
    fleet = Fleet([make_device(kind=DeviceKind.GPU)], {})
    for size in (1000, 1001):
        reading = Reading(memory_foreign_bytes=size)
        fleet.readings = lambda reading=reading: {"sim0": reading}
        assert fleet.places()[0].foreign_bytes == size


def test_a_device_that_the_machine_has_no_more_counts_nowhere() -> None:
    fleet = Fleet([make_device()], {})
    fleet.hold(make_job("a"), ["gpu-gone"])

    assert fleet.held_by("a" * 8) == ()


def test_ids_uuids_and_their_beginnings_find_a_device() -> None:
    fleet = Fleet(make_devices(2), {})

    assert fleet.find("sim1").id == "sim1"
    assert fleet.find("SIM-00000001").id == "sim1"
    with pytest.raises(DeviceNotFound, match="no device has the id `gpu7`; this machine has sim0"):
        fleet.find("gpu7")
    with pytest.raises(AmbiguousDeviceId, match="`SIM-` could be sim0, sim1; say more of it"):
        fleet.find("SIM-")


def test_a_job_computes_with_the_cores_that_any_of_its_devices_has() -> None:
    wide = replace(make_device(0, kind=DeviceKind.CPU), cores=(0, 1))
    narrow = replace(make_device(1, kind=DeviceKind.CPU), cores=(2,))

    assert Fleet(make_devices(2), {}).means(2) == {"cpus": 2, "device": "cpu", "accelerator": ""}
    assert Fleet([wide, narrow], {}).means(1)["cpus"] == 1
    assert Fleet([wide, narrow], {}).means(2)["cpus"] == 2


def test_an_accelerator_is_named_where_a_job_can_get_no_other() -> None:
    cards = [make_device(number, kind=DeviceKind.GPU) for number in range(2)]
    other = replace(cards[1], name="NVIDIA A100")

    assert Fleet(cards, {}).means(1)["accelerator"] == "simulated"
    assert Fleet([cards[0], other], {}).means(1) == {
        "cpus": 2, "device": "cuda", "accelerator": "",
    }  # fmt: skip
