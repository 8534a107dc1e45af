"""The model to proto and back: nothing is lost, and equal events give equal bytes."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import get_args

import pytest
from google.protobuf.message import Message

from finetuned.v1 import device_pb2, event_pb2, job_pb2
from ftd.devices.model import DeviceKind, Reading, Sample, Usage
from ftd.errors import InvalidRequest
from ftd.jobs.fleet import DeviceState, Guest, Standing
from ftd.jobs.history import model_with, numbered, state_event
from ftd.jobs.model import (
    Attempt,
    DatasetUse,
    EventKind,
    Job,
    JobState,
    NewEvent,
    Outcome,
    OutcomeReason,
)
from ftd.rpc import convert
from fttrain.events import PhaseName, Spread
from fttrain.spec.faults import Fault
from tests.fakes import jobs
from tests.fakes.devices import make_device
from tests.fakes.jobs import NOW, at, request

OUTCOME = Outcome(
    reason=OutcomeReason.BAD_RECIPE, message="m", remedy="r", exit_code=3, signal=9,
    log_tail=("one", "two"), faults=(Fault(field="data.path", description="is missing"),),
    spread=Spread(accuracies=[0.9, 0.8], mean=0.85, deviation=0.07, low=0.2, high=1.5),
)  # fmt: skip


ATTEMPTS = [
    Attempt(
        job_id="0f" * 16, number=1, run_dir="/runs/1", devices=("sim0", "sim1"),
        start_time=at(1), end_time=at(3), outcome=OUTCOME,
    )
]  # fmt: skip


def full_job() -> Job:
    """Return a job in which every field says something."""
    asked = request(
        "a", devices=2, priority=-5, after=("b",), labels={"k": "v", "a": "b"},
        memory_bytes=11 << 30, not_before=at(60), timeout_s=90.5,
        retries=5, is_preemptible=True, min_runtime_s=30.0, base="tutorial",
    )  # fmt: skip
    job = Job(
        id="0f" * 16, number=7, request=asked, after_ids=("1" * 32,), references={},
        state=JobState.FAILED, reason="because", create_time=NOW, start_time=at(1),
        end_time=at(2.000001), outcome=OUTCOME, attempt=3, run_dir="/runs/3",
        user="alice", failures=2, retry_time=at(9), inexact="smaller batches",
        datasets=(DatasetUse(name="flowers", owner="alice", digest="ab" * 32),),
    )  # fmt: skip
    worse = asdict(jobs.score(8))
    events = [
        jobs.planned(), jobs.progress(5), jobs.epoch(1, repeat=1, stage=1),
        jobs.epoch(2, best=False, val=worse, repeat=1, stage=1),
        jobs.evaluated(), jobs.artifact(),
    ]  # fmt: skip
    return model_with(job, numbered(job, events))


def unset(message: Message, place: str = "") -> Iterator[str]:
    """Yield every field, at any depth, that says nothing."""
    told = {field.name for field, _ in message.ListFields()}
    one_ofs = {f.name for o in message.DESCRIPTOR.oneofs for f in o.fields if o.name[0] != "_"}
    for field in message.DESCRIPTOR.fields:
        if field.name not in told | one_ofs:
            yield f"{place}{field.name}"
    for field, value in message.ListFields():
        # A timestamp has no fields of ours; its nanoseconds may well be zero.
        if field.message_type is None or field.message_type.file.package != "finetuned.v1":
            continue
        if field.message_type.GetOptions().map_entry:
            continue
        for each in value if field.is_repeated else [value]:
            yield from unset(each, f"{place}{field.name}.")


def test_every_field_of_a_job_is_told() -> None:
    told = convert.job_to_proto(
        full_job(), ATTEMPTS, now=at(4), is_finishing=True, pause_time=at(5)
    )

    # The second epoch is worse than the first.
    assert list(unset(told)) == ["epochs.best"]


def test_device_time_counts_every_device_of_every_attempt() -> None:
    held = replace(ATTEMPTS[0], number=2, devices=("sim0",), start_time=at(3), end_time=None)

    told = convert.job_to_proto(full_job(), [*ATTEMPTS, held], now=at(10))

    assert told.device_seconds == 2 * 2 + 7
    assert [list(each.devices) for each in told.attempts] == [["sim0", "sim1"], ["sim0"]]
    assert not told.attempts[1].HasField("end_time")


def test_every_field_of_a_device_is_told() -> None:
    sample = Sample(
        utilization=0.5, temperature_celsius=61.0, energy_joules=12.5, xid_errors={79: 1},
        fault="XID 79",
    )  # fmt: skip
    reading = Reading(
        time=NOW, memory_used_bytes=3, memory_foreign_bytes=1, sample=sample,
        foreign=(Usage(pid=7, memory_bytes=1, name="python"),),
    )  # fmt: skip
    standing = Standing(
        device=make_device(), state=DeviceState.UNHEALTHY, reason="XID 79", reading=reading,
        guests=(Guest(job_id="0f" * 16, name="a", memory_bytes=2),),
    )  # fmt: skip

    told = convert.device_to_proto(standing)

    assert list(unset(told)) == []
    assert told.state == device_pb2.DEVICE_STATE_UNHEALTHY
    assert (told.memory_total_bytes, told.memory_reserved_bytes) == (16 << 30, 2)


def test_every_state_and_kind_of_a_device_has_its_word_in_the_api() -> None:
    assert set(device_pb2.DeviceState.keys()) == {
        "DEVICE_STATE_UNSPECIFIED", *(f"DEVICE_STATE_{state.name}" for state in DeviceState)
    }  # fmt: skip
    assert set(device_pb2.DeviceKind.keys()) == {
        "DEVICE_KIND_UNSPECIFIED", *(f"DEVICE_KIND_{kind.name}" for kind in DeviceKind)
    }  # fmt: skip


def test_a_job_is_told_as_it_is() -> None:
    job = full_job()

    told = convert.job_to_proto(job)

    assert told.state == job_pb2.JOB_STATE_FAILED
    assert told.outcome.reason == job_pb2.OUTCOME_REASON_BAD_RECIPE
    assert told.outcome.faults[0].field == "data.path"
    assert (told.outcome.exit_code, told.outcome.signal) == (3, 9)
    assert told.end_time.ToMicroseconds() - told.create_time.ToMicroseconds() == 2_000_001
    assert told.progress.phase == job_pb2.PHASE_TRAINING
    assert [epoch.epoch for epoch in told.epochs] == [1, 2]
    assert told.epochs[0].train.correct == 8
    assert list(told.epochs[0].lrs) == [0.1, 0.01]
    assert (told.artifacts[0].kind, told.last_sequence) == ("model", 6)


def test_a_summary_says_what_was_lost_by_training_on() -> None:
    told = convert.job_to_proto(full_job()).summary

    assert (told.best_epoch, told.last_epoch) == (1, 2)
    assert (told.best_accuracy, told.last_accuracy) == (0.9, 0.8)
    assert told.overfit_drop == pytest.approx(0.1)


def test_of_each_split_the_latest_evaluation_counts() -> None:
    again = jobs.evaluated()
    again = replace(again, body={**again.body, "epoch": 2})
    job = full_job()

    told = convert.job_to_proto(model_with(job, numbered(job, [jobs.evaluated("test"), again])))

    assert [(each.split, each.epoch) for each in told.evaluations] == [("val", 2), ("test", 1)]


def test_what_is_not_there_yet_is_absent() -> None:
    job = Job(
        id="0" * 32, number=1, request=request("a"), after_ids=(), references={},
        state=JobState.QUEUED, create_time=NOW,
    )  # fmt: skip

    told = convert.job_to_proto(job)

    for field in ("start_time", "end_time", "outcome", "progress", "summary"):
        assert not told.HasField(field)


def test_an_outcome_without_a_process_has_neither_code_nor_signal() -> None:
    outcome = replace(OUTCOME, exit_code=None, signal=None)

    told = convert.job_to_proto(replace(full_job(), outcome=outcome)).outcome

    assert not told.HasField("exit_code")
    assert not told.HasField("signal")


def test_an_exit_code_of_zero_is_told() -> None:
    told = convert.job_to_proto(replace(full_job(), outcome=replace(OUTCOME, exit_code=0)))

    assert told.outcome.HasField("exit_code")


def test_a_spec_survives_the_way_there_and_back() -> None:
    asked = full_job().request

    there = convert.spec_to_proto(asked)

    back = convert.spec_from_proto(there, recipe_json=there.recipe_json, base="tutorial")
    assert back == asked


def test_a_spec_that_says_nothing_of_resources_means_one_device() -> None:
    assert convert.spec_from_proto(job_pb2.JobSpec(), recipe_json="{}").devices == 1


@pytest.mark.parametrize("state", JobState)
def test_every_state_survives_the_way_there_and_back(state: JobState) -> None:
    assert convert.states_from_proto([convert.state_to_proto(state)]) == [state]


def test_every_state_and_reason_and_phase_has_its_word_in_the_api() -> None:
    assert set(job_pb2.JobState.keys()) == {
        "JOB_STATE_UNSPECIFIED", *(f"JOB_STATE_{state.name}" for state in JobState)
    }  # fmt: skip
    assert set(job_pb2.OutcomeReason.keys()) == {
        "OUTCOME_REASON_UNSPECIFIED", *(f"OUTCOME_REASON_{each.name}" for each in OutcomeReason)
    }  # fmt: skip
    assert set(job_pb2.Phase.keys()) == {
        "PHASE_UNSPECIFIED", *(f"PHASE_{name.upper()}" for name in get_args(PhaseName))
    }  # fmt: skip


@pytest.mark.parametrize("number", [0, 99, -1])
def test_a_number_that_is_no_state_is_refused(number: int) -> None:
    with pytest.raises(InvalidRequest, match=f"states: {number} is no state that this daemon"):
        convert.states_from_proto([number])


EVENTS = {
    EventKind.STATE: state_event(full_job(), now=NOW),
    EventKind.PLANNED: jobs.planned(),
    EventKind.PROGRESS: jobs.progress(),
    EventKind.EPOCH: jobs.epoch(repeat=1, stage=1),
    EventKind.CHECKPOINT: jobs.checkpoint(),
    EventKind.NOTICE: jobs.notice(),
    EventKind.ARTIFACT: jobs.artifact(),
    EventKind.EVALUATED: jobs.evaluated(),
}
WORDS = {
    EventKind.STATE: "state_changed",
    EventKind.CHECKPOINT: "checkpoint_saved",
    EventKind.EVALUATED: "evaluation",
}


@pytest.mark.parametrize("kind", EventKind)
def test_every_field_of_every_event_is_told_in_its_own_arm(kind: EventKind) -> None:
    (event,) = numbered(full_job(), [replace(EVENTS[kind], attempt=2)])

    told = convert.event_to_proto(event)

    assert told.WhichOneof("event") == WORDS.get(kind, kind.value)
    assert list(unset(told)) == []
    assert (told.job_id, told.sequence, told.attempt) == (event.job_id, 7, 2)


def test_every_arm_of_an_event_is_known() -> None:
    arms = {field.name for field in event_pb2.JobEvent.DESCRIPTOR.oneofs_by_name["event"].fields}

    assert arms == {WORDS.get(kind, kind.value) for kind in EventKind}


@pytest.mark.parametrize("kind", EventKind)
def test_equal_events_give_equal_bytes(kind: EventKind) -> None:
    first, again = (numbered(full_job(), [EVENTS[kind]])[0] for _ in range(2))

    told = convert.event_to_proto(first).SerializeToString(deterministic=True)

    assert convert.event_to_proto(again).SerializeToString() == told


def test_an_epoch_before_any_training_has_no_training_score() -> None:
    (event,) = numbered(full_job(), [jobs.epoch(0)])

    assert not convert.event_to_proto(event).epoch.HasField("train")


def test_a_state_that_is_not_terminal_has_no_outcome() -> None:
    body = {"state": "queued", "reason": "plan pending", "outcome": None}
    new = NewEvent(kind=EventKind.STATE, time=NOW, attempt=0, body=body)
    (event,) = numbered(full_job(), [new])

    assert not convert.event_to_proto(event).state_changed.HasField("outcome")
