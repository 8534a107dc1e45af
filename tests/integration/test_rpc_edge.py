"""The API over its socket: recipes, health, the log of calls, malformed requests."""

import base64
import json
import stat
from pathlib import Path

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from finetuned.v1 import job_pb2, recipe_service_pb2
from finetuned.v1.job_service_pb2 import (
    CancelJobRequest,
    GetJobRequest,
    ListJobsRequest,
    SubmitJobRequest,
    TailLogRequest,
)
from ftd.errors import PlannerUnavailable
from ftd.rpc.listener import Listener
from tests.fakes import jobs
from tests.fakes.listening import Line, details, reason, rest, spec
from tests.fakes.pushing import FLOWERS, Pusher, pieces
from tests.wait import wait_until


async def submit(line: Line, name: str = "", **fields: object) -> job_pb2.Job:
    return (await line.jobs.SubmitJob(SubmitJobRequest(spec=spec(name, **fields)))).job


# --- recipes ---------------------------------------------------------------------------------


async def test_the_schema_of_a_recipe_is_served(line: Line) -> None:
    told = await line.recipes.GetRecipeSchema(recipe_service_pb2.GetRecipeSchemaRequest())

    assert set(json.loads(told.schema_json)["properties"]) == {
        "recipe", "data", "model", "train", "outputs",
    }  # fmt: skip


async def test_a_recipe_is_planned(line: Line) -> None:
    request = recipe_service_pb2.PlanRecipeRequest(recipe_json=jobs.RECIPE)

    assert (await line.recipes.PlanRecipe(request)).plan_json == '{"format":1}'


async def test_a_recipe_with_faults_is_not_planned(line: Line) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await line.recipes.PlanRecipe(recipe_service_pb2.PlanRecipeRequest(recipe_json="{}"))

    fields = [v.field for v in details(error.value)["BadRequest"].field_violations]
    assert fields == ["data", "model", "train"]


async def test_a_planner_that_does_not_answer_is_told_as_unavailable(line: Line) -> None:
    async def plan(recipe_json: str, **_others: object) -> str:
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


async def test_of_the_many_calls_of_a_push_only_those_that_fail_are_told(line: Line) -> None:
    pusher = Pusher(channel=line.channel)

    with structlog.testing.capture_logs() as log:
        begun = await pusher.begin(FLOWERS)
        await pusher.send(begun, FLOWERS)
        with pytest.raises(grpc.aio.AioRpcError):
            await pusher.send_pieces(pieces("unknown", 0, b"one"))
        await wait_until(lambda: len(log) == 3)

    calls = [(each["method"].rpartition("/")[2], each["code"], each["log_level"]) for each in log]
    assert calls == [
        ("BeginPush", "OK", "info"), ("SendFiles", "OK", "debug"),
        ("SendFiles", "NOT_FOUND", "info"),
    ]  # fmt: skip


async def test_what_is_not_built_is_unimplemented(line: Line) -> None:
    call = line.channel.unary_unary("/finetuned.v1.JobService/EvaluateJob")

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
