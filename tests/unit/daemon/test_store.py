"""What the store promises to those who submit and append."""

from dataclasses import replace

import pytest

from ftd.errors import (
    InvalidJob,
    NameTaken,
    RequestIdReused,
)
from ftd.jobs.history import outcome_from, state_event
from ftd.jobs.model import (
    Attempt,
    EventKind,
    JobState,
    Outcome,
    OutcomeReason,
)
from ftd.jobs.states import advance
from ftd.jobs.store import Store
from ftd.jobs.store.writes import StaleJob
from fttrain.spec.faults import Fault
from tests.fakes import jobs
from tests.fakes.jobs import NOW, at, request
from tests.fakes.storing import CANCELLED, end, submit

# --- submit ----------------------------------------------------------------------------------


async def test_a_submitted_job_waits_for_its_plan_and_has_its_first_event(store: Store) -> None:
    job, events = await store.submit(request("first"), request_id="", now=NOW, references={})

    assert (job.state, job.reason, job.number) == (JobState.QUEUED, "plan pending", 1)
    assert job.create_time == NOW
    assert [(event.sequence, event.kind, event.time) for event in events] == [
        (1, EventKind.STATE, NOW)
    ]
    assert events[0].body == {"state": "queued", "reason": "plan pending", "outcome": None}
    assert await store.get(job.id) == job
    assert await store.events(job.id, 0, 10) == events


async def test_a_job_without_a_name_is_called_by_its_id(store: Store) -> None:
    job = await submit(store, request(""))

    assert job.name == job.id[:8]


async def test_a_name_is_free_again_once_its_job_has_ended(store: Store) -> None:
    first = await submit(store, request("a"))
    with pytest.raises(NameTaken) as taken:
        await submit(store, request("a"))
    assert str(taken.value) == (
        f"the name `a` belongs to job {first.id}, which is queued; "
        "give this one another name, or cancel that one"
    )

    await end(store, first)
    second = await submit(store, request("a"))

    assert (await store.get("a")).id == second.id
    assert (await store.get(first.id)).id == first.id


async def test_a_request_id_that_comes_again_gives_the_same_job_and_no_event(
    store: Store,
) -> None:
    first, _ = await store.submit(request("a"), request_id="r1", now=NOW, references={})

    again, events = await store.submit(request("a"), request_id="r1", now=at(9), references={})

    assert again == first
    assert events == []


async def test_a_request_id_is_found_again_after_its_job_has_ended(store: Store) -> None:
    job = await end(store, await submit(store, request(""), "r1"))

    assert await submit(store, request(""), "r1") == job


async def test_a_request_id_with_another_job_is_refused(store: Store) -> None:
    first = await submit(store, request("a"), "r1")

    with pytest.raises(RequestIdReused) as reused:
        await submit(store, request("a", priority=1), "r1")

    assert str(reused.value) == (
        f"request id `r1` came with another job before, {first.id}; use a new id for a new job"
    )


async def test_names_in_after_and_references_mean_what_they_meant_at_submission(
    store: Store,
) -> None:
    old = await end(store, await submit(store, request("pretrain")))
    asked = request("b", after=("pretrain", old.id[:6], old.id))
    job, _ = await store.submit(
        asked, request_id="", now=NOW, references={"job:pretrain/best": "pretrain"}
    )
    await submit(store, request("pretrain"))

    again = await store.get("b")
    assert again == job
    assert again.after_ids == (old.id,)
    assert again.references == {"job:pretrain/best": old.id}


async def test_all_unknown_jobs_of_a_submission_are_named_at_once(store: Store) -> None:
    await submit(store, request("pretrain"))

    with pytest.raises(InvalidJob) as invalid:
        await store.submit(
            request("b", after=("pretrain", "pretrian", "zzz")),
            request_id="",
            now=NOW,
            references={"job:nothing/best": "nothing"},
        )

    assert [(fault.field, fault.description) for fault in invalid.value.faults] == [
        ("after[1]", "no job has the name or id `pretrian`; did you mean `pretrain`?"),
        (
            "after[2]",
            "no job has the name or id `zzz`; `ftctl list` shows the names and ids of all",
        ),
        (
            "model.weights",
            "no job has the name or id `nothing`; `ftctl list` shows the names and ids of all",
        ),
    ]
    assert [job.name for job in await store.unfinished()] == ["pretrain"]


# --- append ----------------------------------------------------------------------------------


async def test_events_are_numbered_without_a_gap_and_come_back_as_they_were_given(
    store: Store,
) -> None:
    job = await submit(store, request("a"))
    job, first = await store.append(job, [jobs.planned(), jobs.progress(1)])
    job, second = await store.append(job, [jobs.epoch(1), jobs.notice()])

    assert [event.sequence for event in (*first, *second)] == [2, 3, 4, 5]
    assert job.last_sequence == 5
    assert await store.events(job.id, 1, 100) == [*first, *second]
    assert await store.events(job.id, 3, 1) == second[:1]
    assert await store.events(job.id, 5, 100) == []


async def test_a_job_is_read_back_with_all_that_was_written(store: Store) -> None:
    asked = request("a", devices=2, priority=-7, labels={"team": "ants", "é": "ü"})
    job = await submit(store, asked)
    job = replace(advance(job, JobState.STARTING, now=at(1)), attempt=1, run_dir="/runs/1")
    job, _ = await store.append(job, [state_event(job, now=at(1)), jobs.planned("[1]")])
    job = advance(job, JobState.RUNNING, now=at(2))
    job, _ = await store.append(
        job, [jobs.progress(3), jobs.epoch(0), jobs.epoch(1), jobs.artifact(), jobs.progress(7)]
    )
    outcome = Outcome(
        reason=OutcomeReason.BAD_RECIPE, message="m", remedy="r", exit_code=1, signal=9,
        log_tail=("x", "y"), faults=(Fault(field="a", description="b"),),
    )  # fmt: skip
    job = advance(job, JobState.FAILED, now=at(5), outcome=outcome)
    job, events = await store.append(job, [state_event(job, now=at(5))])

    assert await store.get("a") == job
    assert (job.start_time, job.end_time) == (at(1), at(5))
    assert job.plan_json == "[1]"
    assert job.progress is not None
    assert job.progress["step"] == 7
    assert [body["epoch"] for body in job.epochs] == [0, 1]
    assert outcome_from(events[0].body["outcome"]) == outcome


async def test_a_later_artifact_of_a_kind_takes_the_place_of_the_earlier(store: Store) -> None:
    job = await submit(store, request("a"))

    job, _ = await store.append(
        job,
        [jobs.checkpoint("last", 1), jobs.checkpoint("best", 1), jobs.artifact("model", "/m")],
    )
    job, _ = await store.append(job, [jobs.checkpoint("last", 2)])

    assert (await store.get("a")).artifacts == job.artifacts
    assert {item["what"]: item["path"] for item in job.artifacts} == {
        "checkpoint/best": "/runs/1/checkpoints/best-1",
        "model": "/m",
        "checkpoint/last": "/runs/1/checkpoints/last-2",
    }


async def test_an_append_to_a_job_that_moved_on_is_refused_and_writes_nothing(
    store: Store,
) -> None:
    stale = await submit(store, request("a"))
    job, _ = await store.append(stale, [jobs.progress(1)])

    with pytest.raises(StaleJob, match="other events than the 1"):
        await store.append(stale, [jobs.progress(2)])

    assert await store.get("a") == job
    assert len(await store.events(job.id, 0, 100)) == 2


async def test_a_number_that_is_not_finite_is_refused(store: Store) -> None:
    job = await submit(store, request("a"))

    with pytest.raises(ValueError, match="not JSON compliant"):
        await store.append(job, [jobs.progress(1, loss=float("nan"))])

    assert await store.get("a") == job


async def test_an_attempt_is_kept_with_the_place_in_its_journal(store: Store) -> None:
    job = await submit(store, request("a"))
    other = await submit(store, request("b"))
    attempt = Attempt(
        job_id=job.id, number=1, run_dir="/runs/1", devices=("sim0", "sim1"), start_time=NOW
    )
    job, _ = await store.append(job, [], attempt=attempt)
    await store.append(job, [jobs.progress()], attempt=replace(attempt, journal_offset=99))
    second = replace(attempt, job_id=other.id, number=2)
    await store.append(other, [], attempt=second)

    assert await store.attempts([job.id]) == [replace(attempt, journal_offset=99)]
    assert {a.job_id for a in await store.attempts([job.id, other.id])} == {job.id, other.id}
    assert await store.attempts([]) == []


async def test_attempts_end_once_and_those_of_ended_jobs_with_their_job(store: Store) -> None:
    job = await submit(store, request("a"))
    attempt = Attempt(job_id=job.id, number=1, run_dir="/1", devices=("sim0",), start_time=NOW)
    job, _ = await store.append(job, [], attempt=attempt)
    await store.end_attempts(job.id, jobs.at(3))
    await store.end_attempts(job.id, jobs.at(4))
    second = replace(attempt, number=2, start_time=jobs.at(5))
    job, _ = await store.append(job, [], attempt=second)
    await store.end_attempts_of_ended_jobs()  # it has not ended
    still_open = await store.attempts([job.id])
    cancelled = advance(job, JobState.CANCELLED, now=jobs.at(9), outcome=CANCELLED)
    await store.append(cancelled, [])
    await store.end_attempts_of_ended_jobs()

    assert [each.end_time for each in still_open] == [jobs.at(3), None]
    assert [each.seconds(jobs.at(99)) for each in await store.attempts([job.id])] == [3.0, 4.0]
