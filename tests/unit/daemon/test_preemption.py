"""Who makes room for whom: only who may, only where it helps, as few as will do."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftd.jobs.placement import Pending, Place, Tenant
from ftd.jobs.policy import decide
from ftd.jobs.preemption import Holder, Preemption, preempt
from tests.fakes.policy import GIB, NOW, job, place

LONG_AGO = NOW - timedelta(hours=1)


def holder(name: str, **changes: Any) -> Holder:
    facts: dict[str, Any] = {
        "id": name, "priority": 0, "is_preemptible": True, "min_runtime_s": 60.0,
        "since": LONG_AGO,
    }  # fmt: skip
    return Holder(**{**facts, **changes})


def runs(name: str, gib: float | None = None, user: str = "") -> Tenant:
    memory = None if gib is None else int(gib * GIB)
    return Tenant(name=name, job_id=name, memory_bytes=memory, user=user)


def asked(queue: Sequence[Pending], holders: Sequence[Holder], *places: Place) -> Preemption:
    return preempt(decide(queue, places, NOW), queue, places, holders, NOW)


def pairs(queue: Sequence[Pending], holders: Sequence[Holder], *places: Place) -> dict[str, str]:
    return dict(asked(queue, holders, *places).asks)


# Examples.


def test_a_job_of_higher_priority_takes_the_place_of_a_preemptible_one() -> None:
    assert pairs([job(1, priority=1)], [holder("a")], place("x", runs("a"))) == {"a": "job1"}


@pytest.mark.parametrize(
    "changes",
    [
        {"is_preemptible": False},
        {"priority": 1},
        {"priority": 2},
        {"since": NOW - timedelta(seconds=59)},
        {"since": None},
        {"is_leaving": True},
    ],
    ids=str,
)
def test_nobody_else_makes_room(changes: dict[str, Any]) -> None:
    assert pairs([job(1, priority=1)], [holder("a", **changes)], place("x", runs("a"))) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"is_planned": False},
        {"waits_for": ("other",)},
        {"not_before": NOW + timedelta(seconds=1)},
        {"devices": 2},
        {"memory_bytes": 17 * GIB},
    ],
    ids=str,
)
def test_nobody_makes_room_for_a_job_that_could_not_start_even_then(
    changes: dict[str, Any],
) -> None:
    waits = job(1, priority=1, **changes)

    assert pairs([waits], [holder("a")], place("x", runs("a"))) == {}


def test_nobody_makes_room_where_a_job_starts_by_itself() -> None:
    assert pairs([job(1, priority=1)], [holder("a")], place("x", runs("a")), place("y")) == {}


def test_a_job_on_a_closed_device_is_let_be() -> None:
    shut = place("x", runs("a"), closed="drained")

    assert pairs([job(1, priority=1)], [holder("a")], shut, place("y", runs("b"))) == {}


def test_the_least_important_makes_room_and_of_these_the_youngest() -> None:
    places = [place(name, runs(name)) for name in "abc"]
    old, young = (LONG_AGO - timedelta(hours=each) for each in (1, 0))
    holders = [
        holder("a", priority=1, since=young),
        holder("b", since=old),
        holder("c", since=young),
    ]

    assert pairs([job(1, priority=2)], holders, *places) == {"c": "job1"}
    assert pairs([job(1, priority=2)], holders[:2], *places) == {"b": "job1"}


def test_as_few_as_will_do_make_room() -> None:
    places = [place("x", runs("a", 5), runs("b", 5)), place("y", runs("c", 12))]
    holders = [holder("a"), holder("b"), holder("c", priority=1)]

    assert pairs([job(1, priority=2)], holders, *places) == {"c": "job1"}
    assert pairs([job(1, gib=8, priority=2)], holders, *places) == {"a": "job1"}


def test_jobs_that_all_want_a_place_each_get_one() -> None:
    places = [place(name, runs(name)) for name in "abc"]
    holders = [holder(name) for name in "abc"]
    queue = [job(1, priority=1), job(2, priority=2)]

    assert sorted(pairs(queue, holders, *places).values()) == ["job1", "job2"]


def test_what_is_leaving_already_is_counted_on_once() -> None:
    places = [place("x", runs("a")), place("y", runs("b"))]
    holders = [holder("a", is_leaving=True), holder("b")]

    assert pairs([job(1, priority=1)], holders, *places) == {}
    assert pairs([job(1, priority=1), job(2, priority=1)], holders, *places) == {"b": "job2"}


def test_a_gang_that_holds_more_than_is_wanted_makes_room_whole() -> None:
    places = [place("x", runs("gang")), place("y", runs("gang"))]

    assert pairs([job(1, priority=1)], [holder("gang")], *places) == {"gang": "job1"}


def test_room_that_another_job_has_a_claim_to_is_not_made() -> None:
    places = [place("x", runs("a")), place("y", runs("b"))]
    queue = [job(1, devices=2, priority=2), job(2, priority=1)]

    # job1 waits for both; what `a` gave back would go to it, and stand idle.
    assert pairs(queue, [holder("a")], *places) == {}


def test_who_waits_is_told_who_makes_room_and_another_users_job_is_not_named() -> None:
    queue = [job(1, priority=1, user="ann"), job(2, priority=1, user="bob")]
    places = [place("x", runs("a", user="ann")), place("y", runs("b", user="ann"))]

    told = asked(queue, [holder("a"), holder("b", is_leaving=True)], *places)

    assert told.reasons["job1"] == "waits for a to make room"
    assert told.reasons["job2"] == "waits for another user's job to make room"


def test_wake_is_when_the_next_job_has_run_long_enough() -> None:
    places = [place("x", runs("a")), place("y", runs("b"))]
    early = [holder("a", since=NOW), holder("b", since=NOW, min_runtime_s=30.0)]

    told = asked([job(1, priority=1)], early, *places)

    assert told.wake == NOW + timedelta(seconds=30)
    assert asked([job(1)], early, *places).wake is None


def test_many_jobs_to_choose_from_take_no_search_without_end() -> None:
    names = [f"s{number}" for number in range(64)]
    places = [place(name, runs(name)) for name in names]
    holders = [holder(name, priority=number % 5) for number, name in enumerate(names)]

    chosen = pairs([job(1, devices=8, priority=9)], holders, *places)

    assert len(chosen) == 8
    assert {each.priority for each in holders if each.id in chosen} == {0}


# Properties.


@st.composite
def machines(draw: st.DrawFn) -> tuple[list[Place], list[Holder]]:
    """Draw devices with jobs on them, as jobs come to be there."""
    devices = [f"d{number}" for number in range(draw(st.integers(1, 4)))]
    on: dict[str, list[Tenant]] = {device: [] for device in devices}
    holders = []
    for number in range(draw(st.integers(0, 6))):
        memory = draw(st.sampled_from([None, 2 * GIB, 5 * GIB, 9 * GIB]))
        guest = Tenant(name=f"h{number}", job_id=f"h{number}", memory_bytes=memory)
        fits = [device for device in devices if _has_room(on[device], memory)]
        count = draw(st.integers(1, 2))
        if len(fits) < count:
            continue
        for device in draw(st.permutations(fits))[:count]:
            on[device].append(guest)
        holders.append(
            Holder(
                id=guest.job_id,
                priority=draw(st.integers(0, 3)),
                is_preemptible=draw(st.booleans()) or draw(st.booleans()),
                min_runtime_s=60.0,
                since=draw(st.sampled_from([None, NOW, LONG_AGO, LONG_AGO - timedelta(1)])),
                is_leaving=draw(st.integers(0, 5)) == 0,
            )
        )
    shut = draw(st.sampled_from([None, *devices]))
    places = [
        place(device, *on[device], closed="drained" if device == shut else "") for device in devices
    ]
    return places, holders


def _has_room(guests: list[Tenant], memory: int | None) -> bool:
    if memory is None:
        return not guests
    held = [guest.memory_bytes for guest in guests]
    return None not in held and sum(filter(None, held)) + memory <= 16 * GIB


QUEUES = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 3), st.sampled_from([None, 3, 8, 14])), max_size=5
).map(
    lambda each: [
        job(number, priority=priority, devices=devices, gib=gib)
        for number, (priority, devices, gib) in enumerate(each, start=1)
    ]
)


def emptied(places: Sequence[Place], gone: Collection[str]) -> list[Place]:
    return [
        replace(each, tenants=tuple(one for one in each.tenants if one.job_id not in gone))
        for each in places
    ]


@settings(max_examples=300, deadline=None)
@given(machine=machines(), queue=QUEUES)
def test_only_who_may_makes_room_and_only_where_it_helps(
    machine: tuple[list[Place], list[Holder]], queue: list[Pending]
) -> None:
    places, holders = machine
    known = {each.id: each for each in holders}
    waits = {each.id: each for each in queue}
    first = decide(queue, places, NOW)

    asks = pairs(queue, holders, *places)

    for victim, for_ in asks.items():
        one = known[victim]
        assert one.is_preemptible
        assert not one.is_leaving
        assert one.priority < waits[for_].priority
        assert one.since is not None
        assert NOW - one.since >= timedelta(seconds=one.min_runtime_s)
        assert for_ not in first.starts
    # Once all are gone, and what started by itself is there, they do start.
    begun = [
        replace(
            each,
            tenants=(
                *each.tenants,
                *(
                    Tenant(name=name, memory_bytes=waits[name].memory_bytes)
                    for name, devices in first.starts.items()
                    if each.device in devices
                ),
            ),
        )
        for each in places
    ]
    gone = {*asks, *(each.id for each in holders if each.is_leaving)}
    left = [each for each in queue if each.id not in first.starts]
    assert set(asks.values()) <= set(decide(left, emptied(begun, gone), NOW).starts)


@settings(max_examples=300, deadline=None)
@given(machine=machines(), queue=QUEUES.filter(bool))
def test_a_job_alone_gets_the_fewest_if_any_will_do(
    machine: tuple[list[Place], list[Holder]], queue: list[Pending]
) -> None:
    places, holders = machine
    wanted = queue[0]
    gone = {each.id for each in holders if each.is_leaving}
    able = [
        each.id
        for each in holders
        if each.is_preemptible
        and not each.is_leaving
        and each.priority < wanted.priority
        and each.since is not None
        and each.since <= LONG_AGO
    ]

    def starts(others: Collection[str]) -> bool:
        return wanted.id in decide([wanted], emptied(places, {*gone, *others}), NOW).starts

    sizes = (
        size
        for size in range(len(able) + 1)
        if any(starts(chosen) for chosen in combinations(able, size))
    )
    fewest = next(sizes, 0)

    if wanted.id in decide([wanted], places, NOW).starts:
        assert pairs([wanted], holders, *places) == {}
    else:
        assert len(pairs([wanted], holders, *places)) == fewest


@settings(max_examples=100, deadline=None)
@given(machine=machines(), queue=QUEUES, random=st.randoms())
def test_the_same_is_decided_in_whatever_order_it_is_told(
    machine: tuple[list[Place], list[Holder]], queue: list[Pending], random: Any
) -> None:
    places, holders = machine
    # Of jobs alike in all that counts, any may go.
    holders = [
        replace(each, since=each.since and each.since - timedelta(seconds=number))
        for number, each in enumerate(holders)
    ]
    before = asked(queue, holders, *places)

    shuffled = random.sample(holders, len(holders)), random.sample(queue, len(queue))

    assert asked(shuffled[1], shuffled[0], *places) == before


@settings(max_examples=200, deadline=None)
@given(machine=machines(), queue=QUEUES)
def test_whoever_made_room_cannot_have_it_made_again_by_whom_it_was_for(
    machine: tuple[list[Place], list[Holder]], queue: list[Pending]
) -> None:
    places, holders = machine
    priorities = {each.id: each.priority for each in holders}
    waits = {each.id: each.priority for each in queue}

    asks = pairs(queue, holders, *places)

    # A way round would need a job that goes before one of at least its own priority.
    assert all(priorities[victim] < waits[for_] for victim, for_ in asks.items())
