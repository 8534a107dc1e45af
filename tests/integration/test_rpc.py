"""The API over its socket: what each call answers, and what each mistake is told."""

import asyncio
import base64
import json
import stat
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from finetuned.v1 import job_pb2, job_service_pb2, recipe_service_pb2
from finetuned.v1.job_service_pb2 import (
    CancelJobRequest,
    GetJobRequest,
    ListJobsRequest,
    SubmitJobRequest,
    TailLogRequest,
)
from ftd.errors import PlannerUnavailable
from ftd.rpc.listener import Listener
from fttrain.spec.faults import Fault
from tests.fakes import jobs
from tests.fakes.listening import Line, details, listening, reason, rest, spec
from tests.wait import wait_until


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with listening(tmp_path) as line:
        yield line


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
    await line.office.finish(job.id)

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
        ("resources.devices", "9 is more than this machine has, 2"),
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

    async def slowly(request: object, *, request_id: str) -> object:
        begun.set()
        await may_go_on.wait()
        return await take(request, request_id=request_id)

    line.office.submit = slowly
    call = line.jobs.SubmitJob(SubmitJobRequest(spec=spec("ants")))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    may_go_on.set()

    await wait_until(lambda: len(line.office.jobs) == 1)


# --- recipes ---------------------------------------------------------------------------------


async def test_the_schema_of_a_recipe_is_served(line: Line) -> None:
    told = await line.recipes.GetRecipeSchema(recipe_service_pb2.GetRecipeSchemaRequest())

    assert set(json.loads(told.schema_json)["properties"]) == {"data", "model", "train", "outputs"}


async def test_a_recipe_is_planned(line: Line) -> None:
    request = recipe_service_pb2.PlanRecipeRequest(recipe_json=jobs.RECIPE)

    assert (await line.recipes.PlanRecipe(request)).plan_json == '{"format":1}'


async def test_a_recipe_with_faults_is_not_planned(line: Line) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await line.recipes.PlanRecipe(recipe_service_pb2.PlanRecipeRequest(recipe_json="{}"))

    fields = [v.field for v in details(error.value)["BadRequest"].field_violations]
    assert fields == ["data", "model", "train"]


async def test_a_planner_that_does_not_answer_is_told_as_unavailable(line: Line) -> None:
    async def plan(recipe_json: str) -> str:
        raise PlannerUnavailable("the zygote ended twice while it planned; see zygote.log")

    line.office.plan = plan
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await line.recipes.PlanRecipe(recipe_service_pb2.PlanRecipeRequest(recipe_json=jobs.RECIPE))

    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason(error.value) == "PLANNER_UNAVAILABLE"


# --- the edge --------------------------------------------------------------------------------


def test_the_socket_is_for_its_owner_alone(line: Line) -> None:
    mode = line.socket.lstat().st_mode

    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


async def test_a_socket_lies_exactly_where_it_was_asked_for(line: Line, tmp_path: Path) -> None:
    path = tmp_path / "a b%20c#é"
    listener = Listener(line.office)

    await listener.start(path)

    assert path.is_socket()
    await listener.stop()


async def test_the_daemon_says_that_it_is_well(line: Line) -> None:
    health = health_pb2_grpc.HealthStub(line.channel)

    for service in ("", "finetuned.v1.JobService", "finetuned.v1.RecipeService"):
        told = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert told.status == health_pb2.HealthCheckResponse.SERVING


async def test_what_nobody_foresaw_is_told_once_and_logged_with_its_traceback(
    line: Line,
) -> None:
    async def fall(ref: str) -> None:
        raise LookupError("a secret of the inside")

    line.office.cancel = fall
    with structlog.testing.capture_logs() as log, pytest.raises(grpc.aio.AioRpcError) as error:
        await line.jobs.CancelJob(
            CancelJobRequest(job="ants"), metadata=(("x-request-id", "call-7"),)
        )

    assert error.value.code() is grpc.StatusCode.INTERNAL
    assert reason(error.value) == "INTERNAL"
    assert error.value.details() == (
        "the daemon failed at this; its log tells why under request_id call-7"
    )
    (failed,) = [each for each in log if each["event"] == "rpc_failed"]
    assert failed["exc_info"] is True
    assert (await submit(line, "still-well")).id


async def test_every_call_has_a_line_in_the_log_and_health_has_none(line: Line) -> None:
    health = health_pb2_grpc.HealthStub(line.channel)

    with structlog.testing.capture_logs() as log:
        await submit(line, "ants")
        with pytest.raises(grpc.aio.AioRpcError):
            await line.jobs.GetJob(GetJobRequest(job="nobody"))
        await health.Check(health_pb2.HealthCheckRequest())
        await wait_until(lambda: len(log) == 2)

    assert [(each["event"], each["method"], each["code"]) for each in log] == [
        ("rpc", "/finetuned.v1.JobService/SubmitJob", "OK"),
        ("rpc", "/finetuned.v1.JobService/GetJob", "NOT_FOUND"),
    ]


async def test_what_is_not_built_is_unimplemented(line: Line) -> None:
    call = line.channel.unary_unary("/finetuned.v1.JobService/PauseJob")

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call(b"")

    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_request_that_is_no_message_is_told_so(line: Line) -> None:
    call = line.channel.unary_unary("/finetuned.v1.JobService/GetJob")

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call(b"\x0a\x02\xff\xfe")  # a name that is not UTF-8

    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason(error.value) == "INVALID_ARGUMENT"
    assert error.value.details() == (
        "the request is no well-formed message of /finetuned.v1.JobService/GetJob; "
        "all its texts must be UTF-8"
    )


@pytest.mark.parametrize("before", ["1e999", "1" + "0" * 30, '"1"', "-1", "[]", "null"])
async def test_a_made_up_page_token_is_refused(line: Line, before: str) -> None:
    token = base64.urlsafe_b64encode(f'{{"before": {before}, "states": []}}'.encode()).decode()

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await line.jobs.ListJobs(ListJobsRequest(page_token=token))

    assert reason(error.value) == "INVALID_PAGE_TOKEN"


async def test_a_log_is_empty_behind_its_end(line: Line, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("a line\n")
    job = await submit(line, "ants")
    await line.office.start(job.id, str(tmp_path))

    call = line.jobs.TailLog(TailLogRequest(job="ants", offset=2**63 - 1))

    assert await rest(call) == []
