"""Every sentence that says why a job waits, and when it stays as it is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from ftd.devices.model import Device, DeviceKind
from ftd.jobs.policy import Pending, Place, Tenant, decide, impossible
from tests.fakes.policy import GIB, NOW, job


def place(
    device: str, *tenants: str | tuple[str, float], gib: float = 16, foreign: float = 0,
    names: tuple[str, ...] = ("python (4711)",), closed: str = "",
) -> Place:  # fmt: skip
    """Return a device with jobs that have it for themselves (a name) or a part (name and GiB)."""
    return Place(
        device=device, memory_bytes=int(gib * GIB), foreign_bytes=int(foreign * GIB),
        foreign_names=names if foreign else (), closed=closed,
        tenants=tuple(
            Tenant(name=t, memory_bytes=None)
            if isinstance(t, str)
            else Tenant(name=t[0], memory_bytes=int(t[1] * GIB))
            for t in tenants
        ),
    )  # fmt: skip


def reason(waiting: Pending, *places: Place) -> str:
    return decide([waiting], places, NOW).reasons[waiting.id]


@pytest.mark.parametrize(
    ("waiting", "says"),
    [
        (job(1, is_planned=False), "plan pending"),
        (job(1, is_planned=False, plan_needs=("pretrain",)), "plan waits for pretrain"),
        (job(1, is_planned=False, plan_needs=("a", "b"), waits_for=("c",)), "plan waits for a, b"),
        (job(1, waits_for=("a", "b")), "waits for a, b"),
        (
            job(1, not_before=datetime(2026, 11, 22, 8, tzinfo=UTC)),
            "waits until 2026-11-22 08:00 UTC",
        ),
        (
            job(
                1, not_before=datetime(2026, 11, 22, 8, 0, 30, tzinfo=timezone(timedelta(hours=2)))
            ),
            "waits until 2026-11-22 06:00:30 UTC",
        ),
    ],
)
def test_a_job_that_is_not_ready_says_what_it_waits_for(waiting: Pending, says: str) -> None:
    assert reason(waiting, place("a")) == says


@pytest.mark.parametrize(
    ("waiting", "places", "says"),
    [
        (job(1), [place("a", "pretrain")], "waits for a device: pretrain runs"),
        (job(1), [place("a", ("x", 1), ("y", 1))], "waits for a device: x and y run"),
        (job(1), [place("a", "x"), place("b", "y")], "waits for a device: x and y run"),
        (
            job(1),
            [place(name, name) for name in "abcde"],
            "waits for a device: a, b, c and 2 more run",
        ),
        (
            job(1, devices=2),
            [place("a", "gang"), place("b", "gang")],
            "waits for 2 devices: gang runs",
        ),
        (job(1, devices=2), [place("a"), place("b", "x")], "waits for 2 devices: x runs"),
        (job(1, devices=2), [place("a", "x"), place("b", "y")], "waits for 2 devices: x and y run"),
        (
            job(1, devices=2, gib=9),
            [place("a", ("fits", 2)), place("b", ("x", 10))],
            "waits for 2 devices with 9 GiB each: x runs",
        ),
        (job(1, gib=11), [place("a", "x")], "waits for a device: x runs"),
        (
            job(1, gib=11),
            [place("gpu-3f2a9c1d", ("pretrain", 7))],
            "needs 11 GiB: gpu-3f2a9c1d has 9 GiB left beside pretrain",
        ),
        (
            job(1, gib=10.01),
            [place("a", ("x", 5), ("y", 0.01), foreign=1)],
            "needs 10.1 GiB: a has 9.9 GiB left beside x, y and python (4711)",
        ),
        (
            job(1, gib=4),
            [place("a", ("x", 15.5))],
            "needs 4 GiB: a has 512 MiB left beside x",
        ),
        (
            job(1, gib=4),
            [place("a", ("x", 14), foreign=4, names=())],
            "needs 4 GiB: a has 0 MiB left beside x",
        ),
    ],
)
def test_the_first_that_waits_says_who_is_where_it_would_go(
    waiting: Pending, places: list[Place], says: str
) -> None:
    assert reason(waiting, *places) == says


def test_whoever_waits_behind_another_waits_its_turn() -> None:
    queue = [job(1), job(2), job(3, gib=1), job(4, devices=2)]

    assert decide(queue, [place("a", "x"), place("b", "x")], NOW).reasons == {
        "job1": "waits for a device: x runs",
        "job2": "waits its turn",
        "job3": "waits its turn",
        "job4": "waits its turn",
    }


def test_behind_one_that_starts_now_there_is_nobody_to_name_yet() -> None:
    assert decide([job(1), job(2)], [place("a")], NOW).reasons == {"job2": "waits for a device"}
    assert decide([job(1, gib=9), job(2, gib=8)], [place("a")], NOW).reasons == {
        "job2": "needs 8 GiB: a has 7 GiB left"
    }


DRAINED, ILL = "drained: maintenance", "unhealthy: XID 79"


@pytest.mark.parametrize(
    ("waiting", "places", "says"),
    [
        (job(1), [], "needs a device; this machine has none"),
        (job(1, devices=3), [place("a"), place("b")], "needs 3 devices; this machine has 2"),
        (job(1), [place("sim0", closed=DRAINED)], "sim0 is drained: maintenance"),
        (job(1, gib=99), [place("sim0", closed=ILL)], "sim0 is unhealthy: XID 79"),
        (job(1), [place(n, closed="drained") for n in "abcd"], "all 4 devices are drained"),
        (
            job(1),
            [place(n, closed=DRAINED) for n in "ab"],
            "all 2 devices are drained: maintenance",
        ),
        (job(1), [place(n, closed=f"drained: {n}") for n in "ab"], "all 2 devices are drained"),
        (
            job(1),
            [place("a", closed=DRAINED), place("b", closed=ILL)],
            "all 2 devices are drained or unhealthy",
        ),
        (
            job(1, devices=2),
            [place("sim0"), place("sim1", closed=DRAINED), place("sim2", closed=ILL)],
            "needs 2 devices: 1 of 3 takes jobs (sim1 drained: maintenance; "
            "sim2 unhealthy: XID 79)",
        ),
        (
            job(1, devices=3),
            [place("a"), place("b"), place("c", foreign=16, names=("x (1)", "y (2)"))],
            "needs 3 devices: 2 of 3 take jobs (16 GiB held by others on c: x (1) and y (2))",
        ),
        (
            job(1, devices=6),
            [place("a"), *(place(f"b{i}", closed="drained") for i in range(5))],
            "needs 6 devices: 1 of 6 takes jobs (b0 drained; b1 drained; b2 drained; and others)",
        ),
        (
            job(1),
            [place("a", foreign=16), place("b", closed=ILL)],
            "needs a device: b unhealthy: XID 79; 16 GiB held by others on a: python (4711)",
        ),
        (
            job(1, gib=11),
            [place("gpu-3f2a9c1d", foreign=8.96)],
            "needs 11 GiB: 9 GiB held by others on gpu-3f2a9c1d: python (4711)",
        ),
        (
            job(1, gib=11),
            [place("a", foreign=9, names=()), place("b", gib=8)],
            "needs 11 GiB: 9 GiB held by others on a",
        ),
        (
            job(1, gib=80),
            [place("a"), place("b", closed=DRAINED, gib=80), place("c", closed=DRAINED)],
            "needs 80 GiB: b drained: maintenance",
        ),
        (
            job(1, gib=80),
            [place("a"), place("b", gib=8)],
            "needs 80 GiB: no device has more than 16 GiB",
        ),
        (
            job(1, gib=10, devices=2),
            [place("a"), place("b", gib=8), place("c", gib=9)],
            "needs 2 devices with 10 GiB each: 1 of 3 has that "
            "(no other device has more than 9 GiB)",
        ),
        (
            job(1, gib=10, devices=3),
            [place("a"), place("b"), place("c", foreign=7)],
            "needs 3 devices with 10 GiB each: 2 of 3 have that "
            "(7 GiB held by others on c: python (4711))",
        ),
        (
            job(1, gib=90, devices=2),
            [place("a"), place("b")],
            "needs 2 devices with 90 GiB each: none of 2 has that (no device has more than 16 GiB)",
        ),
    ],
)
def test_a_job_that_cannot_run_says_what_keeps_it_from_the_devices(
    waiting: Pending, places: list[Place], says: str
) -> None:
    assert reason(waiting, *places) == says


def test_starts_and_ends_change_the_reason_of_the_first_alone() -> None:
    queue = [job(number) for number in range(3, 100)] + [job(200, gib=99)]
    before = decide(queue, [place("a", "x"), place("b", "y")], NOW).reasons
    later = decide(queue[1:], [place("a", "job3"), place("b", "y")], NOW).reasons

    changed = {name for name in later if later[name] != before[name]}

    assert changed == {"job4"}
    assert later["job4"] == "waits for a device: job3 and y run"


# At submission.


def machine(*gib: int) -> list[Device]:
    return [
        Device(
            id=f"sim{i}", uuid=f"sim{i}", kind=DeviceKind.SIMULATED, name="simulated",
            memory_bytes=each * GIB, cores=(0,),
        )
        for i, each in enumerate(gib)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("devices", "gib", "has", "says"),
    [
        (4, 16, machine(16, 16, 16, 16), {}),
        (
            8, None, machine(16, 16, 16, 16),
            {"resources.devices": "asks for 8 devices; this machine has 4: sim0, sim1, sim2, sim3"},
        ),
        (
            2, None, machine(1),
            {"resources.devices": "asks for 2 devices; this machine has 1: sim0"},
        ),
        (1, 1, [], {"resources.devices": "asks for 1 device; this machine has none"}),
        (
            20, None, machine(*[1] * 10),
            {
                "resources.devices": "asks for 20 devices; this machine has 10: "
                "sim0, sim1, sim2, sim3, sim4, sim5, sim6, sim7 and 2 more"
            },
        ),
        (
            1, 80, machine(8, 16),
            {"resources.memory": "asks for 80 GiB of each device; the largest has 16 GiB"},
        ),
        (
            2, 12, machine(8, 16, 8),
            {"resources.memory": "asks for 12 GiB of each of 2 devices; only 1 has that: sim1"},
        ),
        (
            3, 12, machine(16, 16, 8),
            {
                "resources.memory": "asks for 12 GiB of each of 3 devices; "
                "only 2 have that: sim0, sim1"
            },
        ),
        (
            9, 80, machine(16),
            {
                "resources.devices": "asks for 9 devices; this machine has 1: sim0",
                "resources.memory": "asks for 80 GiB of each device; the largest has 16 GiB",
            },
        ),
    ],
)  # fmt: skip
def test_a_request_beyond_the_machine_is_told_what_it_has(
    devices: int, gib: int | None, has: list[Device], says: dict[str, str]
) -> None:
    memory = None if gib is None else gib * GIB

    found = impossible(devices=devices, memory_bytes=memory, machine=has)

    assert {fault.field: fault.description for fault in found} == says


def test_jobs_of_other_users_are_counted_and_not_named() -> None:
    def held(*tenants: Tenant) -> Place:
        return replace(place("a"), tenants=tenants)

    def of(user: str, name: str, memory: int | None = None) -> Tenant:
        return Tenant(name=name, memory_bytes=memory, user=user)

    mine = job(1, user="ann")
    assert reason(mine, held(of("bob", "x"))) == "waits for a device: another user's job runs"
    assert reason(mine, held(of("ann", "y"))) == "waits for a device: y runs"
    assert reason(mine, held(of("ann", "y", GIB), of("bob", "x", GIB))) == (
        "waits for a device: y and another user's job run"
    )
    assert reason(mine, held(of("bob", "x", GIB), of("cy", "x", GIB))) == (
        "waits for a device: 2 jobs of other users run"
    )
    small = job(1, user="ann", memory_bytes=12 * GIB)
    assert reason(small, held(of("bob", "x", 8 * GIB))) == (
        "needs 12 GiB: a has 8 GiB left beside another user's job"
    )
