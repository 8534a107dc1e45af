"""The API over its socket: what each call answers, and what each mistake is told."""

import asyncio
import json
import uuid

import grpc
import pytest

from finetuned.v1 import job_pb2, job_service_pb2
from finetuned.v1.job_service_pb2 import (
    CancelJobRequest,
    GetJobRequest,
    ListJobsRequest,
    SubmitJobRequest,
    TailLogRequest,
)
from fttrain.spec.faults import Fault
from tests.fakes import jobs
from tests.fakes.listening import Line, details, reason, spec
from tests.wait import wait_until


async def submit(line: Line, name: str = "", **fields: object) -> job_pb2.Job:
    return (await line.jobs.SubmitJob(SubmitJobRequest(spec=spec(name, **fields)))).job


# --- jobs ------------------------------------------------------------------------------------


async def test_a_submitted_job_is_got_by_id_by_prefix_and_by_name(line: Line) -> None:
    job = await submit(line, "ants", labels={"k": "v"}, priority=3)

    assert (job.state, job.reason) == (job_pb2.JOB_STATE_QUEUED, "plan pending")
    assert (job.spec.priority, dict(job.spec.labels)) == (3, {"k": "v"})
    assert job.spec.resources.devices == 1
    for ref in (job.id, job.id[:4], "ants"):
        assert (await line.jobs.GetJob(GetJobRequest(job=ref))).job == job


async def test_a_job_tells_its_epochs_progress_and_plan(line: Line) -> None:
    job = await submit(line, "ants")
    await line.office.start(job.id)
    await line.office.happen(job.id, jobs.planned(), jobs.epoch(1), jobs.epoch(2))
    await line.office.happen(job.id, jobs.progress(7), jobs.artifact())
    await line.office.succeed(job.id)

    got = (await line.jobs.GetJob(GetJobRequest(job="ants"))).job

    assert [epoch.epoch for epoch in got.epochs] == [1, 2]
    assert (got.progress.step, got.plan_json, got.run_dir) == (7, '{"format":1}', "/runs/1")
    assert got.outcome.reason == job_pb2.OUTCOME_REASON_COMPLETED
    assert got.last_sequence == 9


async def test_all_faults_of_a_job_come_at_once_with_their_places(line: Line) -> None:
    recipe = json.dumps({"data": {"digits": {}}, "model": {"cnn": {}}, "trian": {}})

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await submit(line, "A", recipe_json=recipe, resources={"devices": 9})

    told = details(error.value)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert told["ErrorInfo"].reason == "INVALID_JOB"
    assert told["ErrorInfo"].domain == "finetuned"
    assert [(v.field, v.description) for v in told["BadRequest"].field_violations] == [
        (
            "name",
            "`A` is not a name: 1 to 63 of a-z, 0-9 and -, beginning and ending with a letter "
            "or digit",
        ),
        ("resources.devices", "asks for 9 devices; this machine has 2: sim0, sim1"),
        ("train", "is missing"),
        ("trian", "unknown key `trian`; did you mean `train`?"),
    ]
    assert await line.office.store.unfinished() == []


async def test_a_thousand_faults_reach_a_client_that_set_no_limits(line: Line) -> None:
    recipe = json.dumps({f"{'key' * 70}{number}": 1 for number in range(1000)})

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await submit(line, recipe_json=recipe)

    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "more fault" in details(error.value)["BadRequest"].field_violations[-1].description


async def test_a_job_that_waits_for_an_unknown_one_is_refused(line: Line) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await submit(line, after=["nobody"])

    (violation,) = details(error.value)["BadRequest"].field_violations
    assert (violation.field, violation.description) == (
        "after[0]",
        "no job has the name or id `nobody`; `ftctl list` shows the names and ids of all",
    )


async def test_the_same_request_id_gives_the_same_job_and_another_job_is_refused(
    line: Line,
) -> None:
    request = SubmitJobRequest(spec=spec("ants"), request_id=str(uuid.uuid4()))
    first = await line.jobs.SubmitJob(request)
    assert await line.jobs.SubmitJob(request) == first

    request.spec.priority = 1
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await line.jobs.SubmitJob(request)

    assert error.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert reason(error.value) == "REQUEST_ID_REUSED"


async def test_a_name_that_is_taken_is_refused(line: Line) -> None:
    await submit(line, "ants")

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await submit(line, "ants")

    assert error.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert reason(error.value) == "NAME_TAKEN"


async def test_validate_only_plans_and_stores_nothing(line: Line) -> None:
    request = SubmitJobRequest(spec=spec("ants"), validate_only=True)

    job = (await line.jobs.SubmitJob(request)).job

    assert (job.id, job.plan_json) == ("", '{"format":1}')
    assert await line.office.store.unfinished() == []


async def test_validate_only_tells_the_faults_of_the_plan(line: Line) -> None:
    line.office.plan_faults = [Fault(field="data.folder.path", description="is not there")]
    request = SubmitJobRequest(spec=spec("ants"), validate_only=True)

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await line.jobs.SubmitJob(request)

    (violation,) = details(error.value)["BadRequest"].field_violations
    assert (violation.field, violation.description) == ("data.folder.path", "is not there")


async def test_an_unknown_job_is_answered_with_the_nearest_name(line: Line) -> None:
    await submit(line, "ants-bees")

    for call in (
        line.jobs.GetJob(GetJobRequest(job="ants-beez")),
        line.jobs.CancelJob(CancelJobRequest(job="ants-beez")),
        line.jobs.WatchJob(job_service_pb2.WatchJobRequest(job="ants-beez")).read(),
        line.jobs.TailLog(TailLogRequest(job="ants-beez")).read(),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call
        assert error.value.code() is grpc.StatusCode.NOT_FOUND
        assert reason(error.value) == "JOB_NOT_FOUND"
        assert error.value.details() == (
            "no job has the name or id `ants-beez`; did you mean `ants-bees`?"
        )


async def test_a_job_is_cancelled_once_and_for_all(line: Line) -> None:
    job = await submit(line, "ants")

    first = (await line.jobs.CancelJob(CancelJobRequest(job="ants"))).job
    again = (await line.jobs.CancelJob(CancelJobRequest(job=job.id))).job

    assert first.state == job_pb2.JOB_STATE_CANCELLED
    assert again == first


async def test_pages_are_listed_with_a_token(line: Line) -> None:
    for number in range(5):
        await submit(line, f"n{number}")

    names, token = [], "start"
    while token:
        page = await line.jobs.ListJobs(
            ListJobsRequest(page_size=2, page_token="" if token == "start" else token)
        )
        names.append([job.spec.name for job in page.jobs])
        token = page.next_page_token

    assert names == [["n4", "n3"], ["n2", "n1"], ["n0"]]


async def test_a_listing_is_of_the_states_asked_for(line: Line) -> None:
    await submit(line, "a")
    await line.jobs.CancelJob(CancelJobRequest(job="a"))
    await submit(line, "b")

    listed = await line.jobs.ListJobs(ListJobsRequest(states=[job_pb2.JOB_STATE_CANCELLED]))

    assert [job.spec.name for job in listed.jobs] == ["a"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"page_size": -1}, "page_size: -1 is negative"),
        ({"states": [0]}, "states: 0 is no state that this daemon knows"),
        ({"states": [77]}, "states: 77 is no state that this daemon knows"),
    ],
)
async def test_a_listing_outside_its_limits_is_refused(
    line: Line, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await line.jobs.ListJobs(ListJobsRequest(**fields))

    assert (error.value.code(), error.value.details()) == (
        grpc.StatusCode.INVALID_ARGUMENT, message
    )  # fmt: skip
    assert reason(error.value) == "INVALID_ARGUMENT"


async def test_a_foreign_page_token_is_refused(line: Line) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await line.jobs.ListJobs(ListJobsRequest(page_token="mine"))

    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason(error.value) == "INVALID_PAGE_TOKEN"


async def test_a_change_is_carried_out_also_where_its_caller_goes_away(line: Line) -> None:
    begun, may_go_on = asyncio.Event(), asyncio.Event()
    take = line.office.submit

    async def slowly(request: object, **others: object) -> object:
        begun.set()
        await may_go_on.wait()
        return await take(request, **others)

    line.office.submit = slowly
    call = line.jobs.SubmitJob(SubmitJobRequest(spec=spec("ants")))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    may_go_on.set()

    await wait_until(lambda: len(line.office.jobs) == 1)
