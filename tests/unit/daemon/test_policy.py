"""Which jobs start: capacity, priority, nobody starves, the same input gives the same output."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftd.jobs.policy import Pending, Place, decide
from tests.fakes.policy import (
    GIB,
    NOW,
    after,
    could_run,
    fits_on,
    is_ready,
    job,
    place,
    ranked,
    tenant,
    told_slowly,
)

CLOSED = ("drained: maintenance", "unhealthy: XID 79")


def starts(queue: Sequence[Pending], *places: Place) -> dict[str, tuple[str, ...]]:
    return dict(decide(queue, places, NOW).starts)


# Examples.


def test_the_first_submitted_starts_first() -> None:
    assert starts([job(2), job(1)], place("cpu")) == {"job1": ("cpu",)}


def test_a_higher_priority_goes_before_an_earlier_submission() -> None:
    assert starts([job(1), job(2, priority=1)], place("cpu")) == {"job2": ("cpu",)}


def test_jobs_that_say_their_memory_share_a_device_as_far_as_they_fit() -> None:
    queue = [job(1, gib=7), job(2, gib=7), job(3, gib=3)]

    assert starts(queue, place("a")) == {"job1": ("a",), "job2": ("a",)}


def test_memory_held_by_others_is_not_given_out() -> None:
    assert starts([job(1, gib=10)], place("a", foreign=7)) == {}
    assert starts([job(1, gib=9)], place("a", foreign=7)) == {"job1": ("a",)}


def test_a_job_without_memory_has_its_device_for_itself() -> None:
    assert starts([job(1), job(2, gib=1)], place("a")) == {"job1": ("a",)}
    assert starts([job(1)], place("a", tenant("x", 1))) == {}
    assert starts([job(1, gib=1)], place("a", tenant("x"))) == {}


def test_a_job_without_memory_takes_the_emptiest_device_and_never_a_full_one() -> None:
    partly, full = place("a", foreign=9), place("b", foreign=16)

    assert starts([job(1)], partly, full, place("c", foreign=2)) == {"job1": ("c",)}
    assert starts([job(1)], partly, full) == {"job1": ("a",)}
    assert starts([job(1)], full) == {}


def test_a_device_that_does_not_tell_its_memory_takes_jobs_that_do_not_either() -> None:
    unknown = replace(place("cpu"), memory_bytes=0)

    assert starts([job(1)], unknown) == {"job1": ("cpu",)}


def test_memory_is_taken_from_empty_devices_first_and_then_where_most_is_left() -> None:
    places = [place("a", tenant("y", 8)), place("b", tenant("x", 4)), place("c")]

    assert starts([job(1, gib=6)], *places) == {"job1": ("c",)}
    assert starts([job(1, gib=6)], *places[:2]) == {"job1": ("b",)}
    assert starts([job(1, gib=6, devices=3)], *places) == {"job1": ("c", "b", "a")}
    assert starts([job(1, gib=6), job(2, gib=6)], *places) == {"job1": ("c",), "job2": ("b",)}


def test_a_gang_gets_all_its_devices_or_none() -> None:
    assert starts([job(1, devices=3)], place("a"), place("b")) == {}
    assert starts([job(1, devices=2)], place("a"), place("b")) == {"job1": ("a", "b")}


def test_closed_devices_take_no_jobs() -> None:
    places = [place("a", closed=CLOSED[0]), place("b", closed=CLOSED[1]), place("c")]

    assert starts([job(1), job(2, gib=1)], *places) == {"job1": ("c",)}


def test_nobody_gets_onto_the_devices_that_a_ready_job_waits_for() -> None:
    places = [place("a", tenant("x", 10)), place("b", tenant("y", 2), tenant("z", 2))]
    queue = [job(1), job(2, gib=4), job(3, gib=14), job(4, gib=1)]

    assert starts(queue, *places) == {"job2": ("b",)}  # job1 waits for a, job3 for b


def test_a_waiting_gang_sets_its_share_aside_where_it_fits_and_leaves_the_rest() -> None:
    places = [place("a"), place("b", tenant("x"))]
    gang = job(1, gib=10, devices=2)

    assert starts([gang, job(2, gib=6)], *places) == {"job2": ("a",)}
    assert starts([gang, job(2, gib=7)], *places) == {}
    assert starts([gang, job(2, gib=7), job(3, gib=6)], *places) == {}  # job2 waits for a


def test_a_job_that_finds_too_few_devices_to_claim_keeps_none_idle() -> None:
    places = [place("a"), place("b", tenant("x")), place("c", tenant("y", 4))]
    queue = [job(1, devices=2), job(2, devices=2), job(3, gib=1)]

    assert starts(queue, *places) == {"job3": ("c",)}  # job1 claims a and b, job2 nothing


@pytest.mark.parametrize(
    "waits",
    [
        {"is_planned": False},
        {"waits_for": ("other",)},
        {"not_before": NOW + timedelta(seconds=1)},
        {"devices": 3},
        {"memory_bytes": 15 * GIB, "devices": 2},
        {"memory_bytes": 17 * GIB},
    ],
    ids=str,
)
def test_a_job_that_cannot_run_holds_nobody_up(waits: dict[str, Any]) -> None:
    places = [place("a"), place("b", foreign=2)]
    queue = [job(1, priority=9, **waits), job(2), job(3, gib=2)]

    assert starts(queue, *places) == {"job2": ("a",), "job3": ("b",)}


def test_wake_is_the_next_moment_that_lies_ahead() -> None:
    soon, later = NOW + timedelta(minutes=1), NOW + timedelta(days=1)
    queue = [job(1, not_before=later), job(2, not_before=soon), job(3, not_before=NOW)]

    decision = decide(queue, [place("a")], NOW)

    assert decision.wake == soon
    assert decision.starts == {"job3": ("a",)}
    assert decide(queue[2:], [place("a")], NOW).wake is None


# Properties.

memories = st.none() | st.integers(1, 18).map(lambda gib: gib * GIB)


@st.composite
def queues(draw: st.DrawFn, most: int = 12) -> list[Pending]:
    return [
        job(
            number,
            priority=draw(st.integers(-1, 1)),
            is_planned=draw(st.integers(0, 9)) > 0,
            waits_for=draw(st.sampled_from([(), (), (), (), ("other",)])),
            not_before=draw(st.sampled_from([None, None, NOW, NOW + timedelta(hours=number)])),
            devices=draw(st.sampled_from([1, 1, 1, 2, 3])),
            memory_bytes=draw(memories),
        )
        for number in range(draw(st.integers(0, most)))
    ]


@st.composite
def machines(draw: st.DrawFn) -> list[Place]:
    return [
        Place(
            device=f"d{number}",
            memory_bytes=draw(st.sampled_from([8, 16])) * GIB,
            foreign_bytes=draw(st.sampled_from([0, 0, 0, 3, 16])) * GIB,
            foreign_names=("python (4711)",),
            closed=draw(st.sampled_from(["", "", "", "", *CLOSED])),
            tenants=tuple(tenant(f"t{number}{i}", gib) for i, gib in enumerate(draw(declared))),
        )
        for number in range(draw(st.integers(0, 5)))
    ]


declared = st.sampled_from([(), (), (None,), (2,), (2, 5), (1, 1, 4)])


@settings(max_examples=1000)
@given(queue=queues(), places=machines())
def test_every_job_starts_or_has_a_reason_and_no_device_is_given_out_twice(
    queue: list[Pending], places: list[Place]
) -> None:
    decision = decide(queue, places, NOW)

    assert set(decision.starts) | set(decision.reasons) == {each.id for each in queue}
    assert not set(decision.starts) & set(decision.reasons)
    assert all(decision.reasons.values())
    jobs = {each.id: each for each in queue}
    for each in places:
        here = [jobs[name] for name, devices in decision.starts.items() if each.device in devices]
        memory = [other.memory_bytes for other in here]
        memory += [other.memory_bytes for other in each.tenants]
        if here:
            assert not each.closed
            assert None not in memory or len(memory) == 1
            assert sum(filter(None, memory)) + each.foreign_bytes <= each.memory_bytes or (
                memory == [None] and each.foreign_bytes < each.memory_bytes
            )
    for name, devices in decision.starts.items():
        assert len(set(devices)) == len(devices) == jobs[name].devices
        assert is_ready(jobs[name])


@settings(max_examples=1000)
@given(queue=queues(), places=machines(), order=st.randoms(use_true_random=False))
def test_the_same_jobs_on_the_same_devices_get_the_same_decision(
    queue: list[Pending], places: list[Place], order: object
) -> None:
    shuffled = list(queue)
    order.shuffle(shuffled)  # type: ignore[attr-defined]

    assert decide(shuffled, places, NOW) == decide(queue, places, NOW)


@settings(max_examples=1000)
@given(queue=queues(), places=machines())
def test_no_job_starts_where_one_before_it_could_have_started(
    queue: list[Pending], places: list[Place]
) -> None:
    started = decide(queue, places, NOW).starts
    by_rank = ranked(queue)
    sides = False  # whether somebody who waits has set a share aside on a device that others use
    for rank, waiting in enumerate(by_rank):
        if waiting.id in started or not is_ready(waiting):
            continue
        now = after(places, [each for each in by_rank[:rank] if each.id in started], started)
        taken = {d for each in by_rank[rank:] for d in started.get(each.id, ())}
        fits = [each for each in now if fits_on(waiting, each) and each.device in taken]
        assert len(fits) < waiting.devices or sides
        sides = sides or (waiting.devices > 1 and waiting.memory_bytes is not None)


@settings(max_examples=2000)
@given(queue=queues(most=20), places=machines())
def test_the_decision_is_that_of_the_policy_told_slowly(
    queue: list[Pending], places: list[Place]
) -> None:
    assert decide(queue, places, NOW).starts == told_slowly(queue, places)


@given(queue=queues(), places=machines(), impossible=st.integers(1, 20))
def test_jobs_that_cannot_run_change_nothing_for_the_others(
    queue: list[Pending], places: list[Place], impossible: int
) -> None:
    hopeless = [job(100 + i, priority=9, gib=17 + i) for i in range(impossible)]
    too_many = [job(200 + i, priority=9, devices=len(places) + 1) for i in range(impossible)]

    decision = decide([*hopeless, *queue, *too_many], places, NOW)
    alone = decide(queue, places, NOW)

    assert decision.starts == alone.starts
    assert {name: decision.reasons[name] for name in alone.reasons} == alone.reasons


# To the end.


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A job that runs until a moment."""

    job: Pending
    devices: tuple[str, ...]
    end: int


@settings(max_examples=1000)
@given(queue=queues(most=6), places=machines(), durations=st.lists(st.integers(1, 4), min_size=8))
def test_every_job_that_can_run_does_against_a_stream_of_small_ones(
    queue: list[Pending], places: list[Place], durations: list[int]
) -> None:
    places = [replace(each, tenants=()) for each in places]
    wanted = {each.id for each in queue if is_ready(each) and could_run(each, places)}
    for started in simulated(queue, places, durations):
        wanted -= started
        if not wanted:
            return
    raise AssertionError(f"{wanted} never started")


def simulated(
    queue: list[Pending], places: list[Place], durations: list[int]
) -> Iterator[set[str]]:
    """Yield which jobs start at each moment. Small ones come whenever there is room for them."""
    running: list[Running] = []
    for moment in range(400):
        running = [each for each in running if each.end > moment]
        streamed = [small(1000 + 2 * moment), small(1001 + 2 * moment)]
        now = occupied(places, running)
        begun = decide([*queue, *streamed], now, NOW).starts
        for each in [*queue, *streamed]:
            if each.id in begun:
                end = moment + durations[each.number % len(durations)]
                running.append(Running(job=each, devices=begun[each.id], end=end))
        queue = [each for each in [*queue, *streamed] if each.id not in begun][:50]
        yield set(begun)


def small(number: int) -> Pending:
    return job(number, gib=2 + number % 2, priority=-1)


def occupied(places: Sequence[Place], running: Sequence[Running]) -> list[Place]:
    started = {each.job.id: each.devices for each in running}
    return after(places, [each.job for each in running], started)
