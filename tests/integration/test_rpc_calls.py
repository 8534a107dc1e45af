"""Calls are counted by method and code, streams when they end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import grpc
import pytest

from finetuned.v1 import (
    blueprint_service_pb2_grpc,
    daemon_service_pb2_grpc,
    dataset_service_pb2_grpc,
    device_service_pb2_grpc,
    evaluation_service_pb2_grpc,
    job_service_pb2_grpc,
    model_service_pb2_grpc,
    plot_service_pb2_grpc,
    recipe_service_pb2_grpc,
    similarity_service_pb2_grpc,
)
from finetuned.v1.job_service_pb2 import (
    CancelJobRequest,
    GetJobRequest,
    GetJobResponse,
    WatchJobRequest,
    WatchJobResponse,
)
from finetuned.v1.model_service_pb2 import PredictImagesRequest, PredictImagesResponse
from ftd.errors import DaemonError, JobNotFound
from ftd.jobs.callers import owner
from ftd.metrics.tally import Call, Tally
from ftd.rpc import errors, methods
from ftd.rpc.callers import Owner
from ftd.rpc.interceptors import Edge
from tests.fakes.jobs import NOW
from tests.wait import wait_until

SERVICE = "finetuned.v1.JobService"
GET = Call(type="unary", service=SERVICE, method="GetJob")
CANCEL = Call(type="unary", service=SERVICE, method="CancelJob")
PREDICT = Call(type="bidi_stream", service="finetuned.v1.ModelService", method="PredictImages")
WATCH = Call(type="server_stream", service=SERVICE, method="WatchJob")


class Jobs:
    """Answers a job, refuses an unknown one, fails, and streams until it is told to end."""

    def __init__(self) -> None:
        self.end = asyncio.Event()

    async def GetJob(self, request: GetJobRequest, _context: Any) -> GetJobResponse:
        if request.job == "none":
            raise JobNotFound("no job has the name or id `none`")
        return GetJobResponse()

    async def CancelJob(self, _request: CancelJobRequest, _context: Any) -> Any:
        raise RuntimeError("nobody foresaw this")

    SubmitJob = ListJobs = TailLog = CancelJob
    PauseJob = ResumeJob = DeleteJob = ListArtifacts = PullArtifact = CancelJob

    async def WatchJob(
        self, _request: WatchJobRequest, _context: Any
    ) -> AsyncIterator[WatchJobResponse]:
        yield WatchJobResponse()
        await self.end.wait()


class Models:
    """Answers each request, to the end of them."""

    async def PredictImages(
        self, requests: AsyncIterator[PredictImagesRequest], _context: Any
    ) -> AsyncIterator[PredictImagesResponse]:
        async for request in requests:
            yield PredictImagesResponse(label=request.job)


@pytest.fixture
def tally() -> Tally:
    return Tally(opened=NOW, ended={}, calls=methods.calls().values(), codes=methods.CODES)


@pytest.fixture
def service() -> Jobs:
    return Jobs()


@pytest.fixture
async def jobs(tally: Tally, service: Jobs) -> AsyncIterator[Any]:
    server = grpc.aio.server(interceptors=[Owner(owner()), Edge(methods.telling(tally))])
    job_service_pb2_grpc.add_JobServiceServicer_to_server(cast("Any", service), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(cast("Any", Models()), server)
    with TemporaryDirectory(prefix="ftd-") as folder:
        socket = f"unix:{Path(folder, 'ftd.sock')}"
        server.add_insecure_port(socket)
        await server.start()
        async with grpc.aio.insecure_channel(socket) as channel:
            stub: Any = job_service_pb2_grpc.JobServiceStub(channel)
            stub.channel = channel
            yield stub
        await server.stop(0)


def handled(tally: Tally) -> dict[tuple[Call, str], int]:
    return {key: count for key, count in tally.counts().handled.items() if count}


async def test_a_call_is_counted_by_its_code(jobs: Any, tally: Tally) -> None:
    await jobs.GetJob(GetJobRequest(job="a"))
    for call in (jobs.GetJob(GetJobRequest(job="none")), jobs.CancelJob(CancelJobRequest())):
        with pytest.raises(grpc.aio.AioRpcError):
            await call

    expected = {(GET, "OK"): 1, (GET, "NOT_FOUND"): 1, (CANCEL, "INTERNAL"): 1}
    await wait_until(lambda: handled(tally) == expected)
    assert sum(tally.counts().handling[GET].counts) == 2


async def test_a_stream_is_counted_when_it_ends(jobs: Any, service: Jobs, tally: Tally) -> None:
    stream = jobs.WatchJob(WatchJobRequest())
    await stream.read()
    assert handled(tally) == {}

    service.end.set()

    assert await stream.read() is grpc.aio.EOF
    assert handled(tally) == {(WATCH, "OK"): 1}


async def test_a_stream_that_its_caller_leaves_is_cancelled(jobs: Any, tally: Tally) -> None:
    stream = jobs.WatchJob(WatchJobRequest())
    await stream.read()

    stream.cancel()

    await wait_until(lambda: handled(tally) == {(WATCH, "CANCELLED"): 1})


async def test_a_stream_of_requests_is_counted_and_each_one_decoded(
    jobs: Any, tally: Tally
) -> None:
    def ask(*requests: bytes) -> Any:
        method = f"/{PREDICT.service}/{PREDICT.method}"
        return jobs.channel.stream_stream(method)(iter(requests))

    good = PredictImagesRequest(job="ants").SerializeToString()
    assert len([reply async for reply in ask(good, good)]) == 2
    broken = ask(good, b"\x0a\xff")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        [reply async for reply in broken]

    assert error.value.details() == (
        "the request is no well-formed message of /finetuned.v1.ModelService/PredictImages; all "
        "its texts must be UTF-8"
    )
    expected = {(PREDICT, "OK"): 1, (PREDICT, "INVALID_ARGUMENT"): 1}
    await wait_until(lambda: handled(tally) == expected)


async def test_a_method_that_there_is_not_makes_no_series(jobs: Any, tally: Tally) -> None:
    methods.telling(tally)("/finetuned.v1.JobService/Whatever", "UNIMPLEMENTED", 0.1)

    assert handled(tally) == {}
    assert len(tally.counts().handled) == len(methods.calls()) * len(methods.CODES)


def test_every_method_of_the_api_is_known() -> None:
    stubs = (
        job_service_pb2_grpc.JobServiceServicer,
        recipe_service_pb2_grpc.RecipeServiceServicer,
        device_service_pb2_grpc.DeviceServiceServicer,
        daemon_service_pb2_grpc.DaemonServiceServicer,
        dataset_service_pb2_grpc.DatasetServiceServicer,
        model_service_pb2_grpc.ModelServiceServicer,
        plot_service_pb2_grpc.PlotServiceServicer,
        blueprint_service_pb2_grpc.BlueprintServiceServicer,
        evaluation_service_pb2_grpc.EvaluationServiceServicer,
        similarity_service_pb2_grpc.SimilarityServiceServicer,
    )
    written = {name for stub in stubs for name in vars(stub) if not name.startswith("_")}

    assert {call.method for call in methods.calls().values()} == written
    assert {call.method for call in methods.calls().values() if call.type != "unary"} == {
        "WatchJob", "TailLog", "PullArtifact", "BeginPush", "SendFiles", "PredictImages",
        "EvaluateJob",
    }  # fmt: skip


def test_every_code_that_an_error_has_is_there_from_the_start() -> None:
    for error in DaemonError.__subclasses__():
        code = errors.CODES.get(error, grpc.StatusCode.INTERNAL)
        assert code.name in methods.CODES
