"""Whose memory it is, from what was seen."""

from collections.abc import Mapping
from datetime import UTC, datetime

from ftd.devices.accounts import Census, Moment, Statement, settle
from ftd.devices.memory import MachineMemory
from ftd.devices.model import Device, DeviceId, DeviceKind, Reading, Sample, Tenant, Usage
from ftd.devices.processes import Footprint

GIB = 2**30
NOW = datetime(2026, 11, 21, tzinfo=UTC)
NO_MACHINE = MachineMemory(total_bytes=0, used_bytes=0)


def device(device_id: str, kind: DeviceKind = DeviceKind.GPU) -> Device:
    return Device(
        id=device_id, uuid=device_id, kind=kind, name="", memory_bytes=80 * GIB, cores=(0,)
    )


def usage(pid: int, gib: int, name: str = "python") -> Usage:
    return Usage(pid=pid, memory_bytes=gib * GIB, name=name)


def on_card(
    sample: Sample,
    *tenants: Tenant,
    trees: Mapping[str, frozenset[int]] | None = None,
    before: Reading | None = None,
) -> Statement:
    moment = Moment(
        time=NOW,
        samples={"gpu": sample},
        tenants=tenants,
        census=Census(trees=trees or {}),
        machine=NO_MACHINE,
    )
    return settle(moment, [device("gpu")], {"gpu": before or Reading()})


def job(job_id: str, *devices: DeviceId, pid: int = 100) -> Tenant:
    return Tenant(job_id=job_id, pid=pid, devices=devices or ("gpu",))


def footprint(gib: float) -> Footprint:
    """Return what holds a quarter more than it keeps from being dropped."""
    return Footprint(pss_bytes=int(gib * 1.25 * GIB), anonymous_bytes=int(gib * GIB))


# --- cards ------------------------------------------------------------------------------------


def test_a_process_of_a_job_is_the_jobs_and_all_others_are_foreign() -> None:
    sample = Sample(
        memory_used_bytes=13 * GIB, processes=(usage(5, 2, "Xorg"), usage(101, 7), usage(6, 4))
    )

    said = on_card(sample, job("a"), trees={"a": frozenset({100, 101})})

    assert said.jobs == {"a": 7 * GIB}
    assert said.readings["gpu"] == Reading(
        time=NOW,
        memory_used_bytes=13 * GIB,
        memory_foreign_bytes=6 * GIB,
        foreign=(usage(6, 4), usage(5, 2, "Xorg")),
        sample=sample,
    )


def test_what_outlives_its_job_is_foreign() -> None:
    sample = Sample(memory_used_bytes=7 * GIB, processes=(usage(101, 7),))

    said = on_card(sample)

    assert said.readings["gpu"].foreign == (usage(101, 7),)


def test_memory_that_no_visible_process_holds_is_foreign_and_unnamed() -> None:
    said = on_card(Sample(memory_used_bytes=10 * GIB))

    assert said.readings["gpu"].memory_foreign_bytes == 10 * GIB
    assert said.readings["gpu"].foreign == (usage(0, 10, "?"),)


def test_a_little_that_the_driver_uses_itself_is_nobodys() -> None:
    said = on_card(Sample(memory_used_bytes=GIB // 4))

    assert said.readings["gpu"].memory_foreign_bytes == 0
    assert said.readings["gpu"].memory_used_bytes == GIB // 4


def test_where_the_driver_names_no_process_what_came_with_the_job_is_the_jobs() -> None:
    before = on_card(Sample(memory_used_bytes=3 * GIB)).readings["gpu"]

    said = on_card(Sample(memory_used_bytes=10 * GIB), job("a"), before=before)

    assert said.jobs == {"a": 7 * GIB}
    assert said.readings["gpu"].foreign == (usage(0, 3, "?"),)


def test_where_the_driver_names_no_process_two_jobs_share_evenly() -> None:
    said = on_card(Sample(memory_used_bytes=10 * GIB), job("a"), job("b"))

    assert said.jobs == {"a": 5 * GIB, "b": 5 * GIB}
    assert said.readings["gpu"].memory_foreign_bytes == 0


def test_where_the_driver_names_the_jobs_process_the_unnamed_rest_is_foreign() -> None:
    sample = Sample(memory_used_bytes=10 * GIB, processes=(usage(101, 7),))

    said = on_card(sample, job("a"), trees={"a": frozenset({101})})

    assert said.jobs == {"a": 7 * GIB}
    assert said.readings["gpu"].foreign == (usage(0, 3, "?"),)


def test_a_job_on_two_cards_uses_the_sum() -> None:
    moment = Moment(
        time=NOW,
        samples={
            "gpu0": Sample(memory_used_bytes=3 * GIB, processes=(usage(100, 3),)),
            "gpu1": Sample(memory_used_bytes=4 * GIB, processes=(usage(100, 4),)),
        },
        tenants=[job("a", "gpu0", "gpu1")],
        census=Census(trees={"a": frozenset({100})}),
        machine=NO_MACHINE,
    )

    said = settle(moment, [device("gpu0"), device("gpu1")], {"gpu0": Reading(), "gpu1": Reading()})

    assert said.jobs == {"a": 7 * GIB}
    assert [each.memory_foreign_bytes for each in said.readings.values()] == [0, 0]


def test_a_job_that_uses_a_card_which_is_not_its_own_is_foreign_there() -> None:
    moment = Moment(
        time=NOW,
        samples={
            "gpu0": Sample(memory_used_bytes=GIB, processes=(usage(100, 1),)),
            "gpu1": Sample(),
        },
        tenants=[job("a", "gpu1")],
        census=Census(trees={"a": frozenset({100})}),
        machine=NO_MACHINE,
    )

    said = settle(moment, [device("gpu0"), device("gpu1")], {"gpu0": Reading(), "gpu1": Reading()})

    assert said.readings["gpu0"].foreign == (usage(100, 1),)


def test_only_the_largest_strangers_are_named_but_all_are_counted() -> None:
    sample = Sample(
        memory_used_bytes=210 * GIB, processes=tuple(usage(pid, pid) for pid in range(1, 21))
    )

    reading = on_card(sample).readings["gpu"]

    assert [each.pid for each in reading.foreign] == list(range(20, 4, -1))
    assert reading.memory_foreign_bytes == 210 * GIB


def test_a_card_that_cannot_tell_its_use_uses_what_its_processes_hold() -> None:
    sample = Sample(processes=(usage(5, 2), usage(101, 7)))

    said = on_card(sample, job("a"), trees={"a": frozenset({101})})

    assert said.readings["gpu"].memory_used_bytes == 9 * GIB


def test_a_device_of_which_nothing_is_said_has_a_fault() -> None:
    moment = Moment(time=NOW, samples={}, tenants=[], census=Census(), machine=NO_MACHINE)

    said = settle(moment, [device("gpu")], {"gpu": Reading()})

    assert said.readings["gpu"].sample.fault == "its driver says nothing of it"


# --- processors -------------------------------------------------------------------------------


def test_on_the_processor_what_neither_jobs_nor_the_daemon_hold_is_foreign() -> None:
    moment = Moment(
        time=NOW,
        samples={"cpu": Sample(utilization=0.5)},
        tenants=[job("a", "cpu")],
        census=Census(
            footprints={"a": footprint(4)}, house=footprint(1), strangers=(usage(7, 3, "chrome"),)
        ),
        machine=MachineMemory(total_bytes=64 * GIB, used_bytes=15 * GIB),
    )

    said = settle(moment, [device("cpu", DeviceKind.CPU)], {"cpu": Reading()})

    assert said.jobs == {"a": 5 * GIB}
    assert said.readings["cpu"] == Reading(
        time=NOW,
        memory_used_bytes=15 * GIB,
        memory_foreign_bytes=10 * GIB,
        foreign=(usage(7, 3, "chrome"),),
        sample=Sample(utilization=0.5),
    )


def test_foreign_memory_takes_an_equal_share_of_each_of_several_processors() -> None:
    moment = Moment(
        time=NOW,
        samples={"cpu0": Sample(), "cpu1": Sample()},
        tenants=[job("a", "cpu0"), job("b", "cpu1")],
        census=Census(footprints={"a": footprint(4), "b": footprint(2)}),
        machine=MachineMemory(total_bytes=64 * GIB, used_bytes=16 * GIB),
    )
    devices = [device("cpu0", DeviceKind.CPU), device("cpu1", DeviceKind.CPU)]

    said = settle(moment, devices, {"cpu0": Reading(), "cpu1": Reading()})

    assert [each.memory_foreign_bytes for each in said.readings.values()] == [5 * GIB, 5 * GIB]
    assert [each.memory_used_bytes for each in said.readings.values()] == [
        10 * GIB, 7.5 * GIB,
    ]  # fmt: skip


def test_jobs_that_hold_more_than_the_machine_says_leave_nothing_foreign() -> None:
    moment = Moment(
        time=NOW,
        samples={"cpu": Sample()},
        tenants=[job("a", "cpu")],
        census=Census(footprints={"a": footprint(4)}),
        machine=MachineMemory(total_bytes=64 * GIB, used_bytes=3 * GIB),
    )

    said = settle(moment, [device("cpu", DeviceKind.CPU)], {"cpu": Reading()})

    assert said.readings["cpu"].memory_foreign_bytes == 0


def test_a_simulated_device_has_only_what_its_jobs_use() -> None:
    moment = Moment(
        time=NOW,
        samples={"sim0": Sample(), "sim1": Sample()},
        tenants=[job("a", "sim0", "sim1"), job("b", "sim1")],
        census=Census(footprints={"a": footprint(4), "b": footprint(2)}),
        machine=NO_MACHINE,
    )
    devices = [device("sim0", DeviceKind.SIMULATED), device("sim1", DeviceKind.SIMULATED)]

    said = settle(moment, devices, {"sim0": Reading(), "sim1": Reading()})

    assert said.jobs == {"a": 5 * GIB, "b": 2.5 * GIB}
    assert [each.memory_used_bytes for each in said.readings.values()] == [2.5 * GIB, 5 * GIB]
    assert [each.memory_foreign_bytes for each in said.readings.values()] == [0, 0]
