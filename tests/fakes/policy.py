"""Queues and devices for tests of the policy, and the policy itself told slowly.

It has nothing in common with the real one: it looks at every device for every job.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ftd.jobs.policy import Pending, Place, Tenant

GIB = 2**30
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def job(number: int, *, gib: float | None = None, **changes: object) -> Pending:
    facts = {
        "id": f"job{number}", "number": number, "priority": 0, "is_planned": True,
        "waits_for": (), "plan_needs": (), "devices": 1, "not_before": None,
        "memory_bytes": None if gib is None else int(gib * GIB),
    }  # fmt: skip
    return Pending(**{**facts, **changes})  # type: ignore[arg-type]


def place(device: str, *tenants: Tenant, foreign: float = 0, closed: str = "") -> Place:
    return Place(
        device=device, memory_bytes=16 * GIB, foreign_bytes=int(foreign * GIB),
        foreign_names=("python (4711)",) if foreign else (), closed=closed, tenants=tenants,
    )  # fmt: skip


def tenant(name: str, gib: float | None = None) -> Tenant:
    return Tenant(name=name, memory_bytes=None if gib is None else int(gib * GIB))


def is_ready(each: Pending) -> bool:
    is_due = each.not_before is None or each.not_before <= NOW
    return each.is_planned and not each.waits_for and is_due


def ranked(queue: Sequence[Pending]) -> list[Pending]:
    return sorted(queue, key=lambda each: (-each.priority, each.number))


def after(
    places: Sequence[Place], jobs: Sequence[Pending], devices: Mapping[str, Sequence[str]]
) -> list[Place]:
    """Return the places with these jobs on them."""
    return [
        replace(
            each,
            tenants=(
                *each.tenants,
                *(
                    Tenant(name=other.id, memory_bytes=other.memory_bytes)
                    for other in jobs
                    if each.device in devices[other.id]
                ),
            ),
        )
        for each in places
    ]


def left_of(each: Place) -> int:
    held = sum(other.memory_bytes or 0 for other in each.tenants)
    return each.memory_bytes - each.foreign_bytes - held


def fits_on(wanted: Pending, each: Place) -> bool:
    if each.closed or (each.tenants and wanted.memory_bytes is None):
        return False
    if wanted.memory_bytes is None:
        return each.foreign_bytes < each.memory_bytes
    is_alone = any(other.memory_bytes is None for other in each.tenants)
    return not is_alone and left_of(each) >= wanted.memory_bytes


def could_run(wanted: Pending, places: Sequence[Place]) -> bool:
    emptied = [replace(each, tenants=()) for each in places]
    return sum(fits_on(wanted, each) for each in emptied) >= wanted.devices


def told_slowly(queue: Sequence[Pending], places: Sequence[Place]) -> dict[str, tuple[str, ...]]:
    now, shut = {each.device: each for each in places}, set[str]()
    begun: dict[str, tuple[str, ...]] = {}
    for wanted in filter(is_ready, ranked(queue)):
        best = sorted(
            (
                (position, each)
                for position, each in enumerate(now.values())
                if each.device not in shut and fits_on(wanted, each)
            ),
            key=lambda found: preference(wanted, *found),
        )[: wanted.devices]
        fitting = [each.device for _, each in best]
        waited_for = sorted(
            (
                each.device
                for each in now.values()
                if each.device not in {*shut, *fitting} and could_run(one(wanted), [each])
            ),
            key=lambda name: len(now[name].tenants),
        )[: wanted.devices - len(fitting)]
        is_start = len(fitting) == wanted.devices
        if is_start:
            begun[wanted.id] = tuple(fitting)
        if not could_run(wanted, places) or len(fitting) + len(waited_for) < wanted.devices:
            continue
        if is_start or wanted.memory_bytes is not None:
            now = {e.device: e for e in after(list(now.values()), [wanted], {wanted.id: fitting})}
        else:
            shut.update(fitting)
        shut.update(waited_for)
    return begun


def one(wanted: Pending) -> Pending:
    return replace(wanted, devices=1)


def preference(wanted: Pending, position: int, each: Place) -> tuple[bool, int, int]:
    if wanted.memory_bytes is None:
        return False, -left_of(each), position
    if each.tenants:
        return True, -left_of(each), -position
    return False, left_of(each), position
