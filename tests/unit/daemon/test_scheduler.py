"""The schedule is a pure function: priority, order, capacity, and a reason for all who wait."""

from hypothesis import given
from hypothesis import strategies as st

from ftd.jobs.scheduler import Decision, Holding, Pending, decide


def job(number: int, *, priority: int = 0, **changes: object) -> Pending:
    facts = {"is_planned": True, "waits_for": (), "plan_needs": (), "devices": 1, **changes}
    return Pending(id=f"job{number}", number=number, priority=priority, **facts)  # type: ignore[arg-type]


FREE = [Holding(device="cpu", job=None)]
HELD = [Holding(device="cpu", job="pretrain")]


def test_the_first_submitted_starts_first() -> None:
    decision = decide([job(2), job(1)], FREE)

    assert decision == Decision(starts={"job1": ("cpu",)}, reasons={"job2": "waits for a device"})


def test_a_higher_priority_goes_before_an_earlier_submission() -> None:
    assert decide([job(1), job(2, priority=1)], FREE).starts == {"job2": ("cpu",)}


def test_a_held_device_is_named_with_its_job() -> None:
    assert decide([job(1)], HELD).reasons == {"job1": "waits for a device: pretrain runs"}


def test_a_job_that_waits_for_another_holds_nobody_up() -> None:
    decision = decide([job(1, priority=9, waits_for=("a", "b")), job(2)], FREE)

    assert decision.starts == {"job2": ("cpu",)}
    assert decision.reasons == {"job1": "waits for a, b"}


def test_an_unplanned_job_says_whether_it_is_planned_or_its_plan_waits() -> None:
    jobs = [job(1, is_planned=False), job(2, is_planned=False, plan_needs=("pretrain",))]

    assert decide(jobs, FREE).reasons == {
        "job1": "plan pending",
        "job2": "plan waits for pretrain",
    }


def test_nobody_overtakes_a_ready_job_that_needs_more_devices_than_are_free() -> None:
    devices = [Holding(device="a", job=None), Holding(device="b", job="x")]
    decision = decide([job(1, devices=2), job(2)], devices)

    assert decision.starts == {}
    assert decision.reasons == {
        "job1": "waits for a device: x runs",
        "job2": "waits for a device: x runs",
    }


@st.composite
def queues(draw: st.DrawFn) -> list[Pending]:
    return [
        job(
            number,
            priority=draw(st.integers(-2, 2)),
            is_planned=draw(st.booleans()),
            waits_for=draw(st.sampled_from([(), ("other",)])),
            devices=draw(st.integers(1, 3)),
        )
        for number in range(draw(st.integers(0, 12)))
    ]


holdings = st.lists(st.sampled_from([None, "someone"]), max_size=4).map(
    lambda jobs: [Holding(device=f"d{i}", job=name) for i, name in enumerate(jobs)]
)


@given(queue=queues(), devices=holdings)
def test_any_schedule_keeps_capacity_order_and_gives_every_waiting_job_a_reason(
    queue: list[Pending], devices: list[Holding]
) -> None:
    decision = decide(queue, devices)

    given_out = [device for held in decision.starts.values() for device in held]
    assert len(given_out) == len(set(given_out))
    assert set(given_out) <= {each.device for each in devices if each.job is None}
    assert set(decision.starts) | set(decision.reasons) == {each.id for each in queue}
    assert not set(decision.starts) & set(decision.reasons)
    assert all(decision.reasons.values())
    ready = sorted(
        (each for each in queue if each.is_planned and not each.waits_for),
        key=lambda each: (-each.priority, each.number),
    )
    assert [each.id for each in ready[: len(decision.starts)]] == list(decision.starts)
    assert decide(list(reversed(queue)), devices) == decision
