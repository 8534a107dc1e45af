"""The async client's transport: grpc.aio and asyncio."""

import asyncio
from asyncio import TimerHandle as Timer
from asyncio import sleep
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import aclosing as closing
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from grpc.aio import AioRpcError as RpcError
from grpc.aio import StreamUnaryMultiCallable as SendingMethod
from grpc.aio import UnaryUnaryMultiCallable as Method

from finetuned.v1.blueprint_service_pb2_grpc import BlueprintServiceStub
from finetuned.v1.daemon_service_pb2_grpc import DaemonServiceStub
from finetuned.v1.dataset_service_pb2_grpc import DatasetServiceStub
from finetuned.v1.device_service_pb2_grpc import DeviceServiceStub
from finetuned.v1.evaluation_service_pb2_grpc import EvaluationServiceStub
from finetuned.v1.job_service_pb2_grpc import JobServiceStub
from finetuned.v1.model_service_pb2_grpc import ModelServiceStub
from finetuned.v1.plot_service_pb2_grpc import PlotServiceStub
from finetuned.v1.recipe_service_pb2_grpc import RecipeServiceStub
from finetuned.v1.similarity_service_pb2_grpc import SimilarityServiceStub
from ftctl import channel, door
from ftctl.address import Address, Server, Socket

if TYPE_CHECKING:
    from finetuned.v1.blueprint_service_pb2_grpc import BlueprintServiceAsyncStub
    from finetuned.v1.daemon_service_pb2_grpc import DaemonServiceAsyncStub
    from finetuned.v1.dataset_service_pb2_grpc import DatasetServiceAsyncStub
    from finetuned.v1.device_service_pb2_grpc import DeviceServiceAsyncStub
    from finetuned.v1.evaluation_service_pb2_grpc import EvaluationServiceAsyncStub
    from finetuned.v1.job_service_pb2_grpc import JobServiceAsyncStub
    from finetuned.v1.model_service_pb2_grpc import ModelServiceAsyncStub
    from finetuned.v1.plot_service_pb2_grpc import PlotServiceAsyncStub
    from finetuned.v1.recipe_service_pb2_grpc import RecipeServiceAsyncStub
    from finetuned.v1.similarity_service_pb2_grpc import SimilarityServiceAsyncStub

    R = TypeVar("R")
    Q = TypeVar("Q")
    T = TypeVar("T")
    BlueprintService = BlueprintServiceAsyncStub
    DaemonService = DaemonServiceAsyncStub
    DatasetService = DatasetServiceAsyncStub
    DeviceService = DeviceServiceAsyncStub
    EvaluationService = EvaluationServiceAsyncStub
    JobService = JobServiceAsyncStub
    ModelService = ModelServiceAsyncStub
    PlotService = PlotServiceAsyncStub
    RecipeService = RecipeServiceAsyncStub
    SimilarityService = SimilarityServiceAsyncStub
    Stream = grpc.aio.UnaryStreamCall[Any, R] | grpc.aio.StreamStreamCall[Any, R]

__all__ = [
    "Ending", "Line", "Method", "RpcError", "SendingMethod", "Timer", "aside", "call_later",
    "closing", "connect", "opened", "sent", "sleep",
]  # fmt: skip

_OWN_ERROR = "Internal error from Core"
_STATUS_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A connection, and the services at its other end."""

    channel: grpc.aio.Channel
    blueprints: "BlueprintService"
    daemon: "DaemonService"
    datasets: "DatasetService"
    devices: "DeviceService"
    evaluations: "EvaluationService"
    jobs: "JobService"
    models: "ModelService"
    plots: "PlotService"
    recipes: "RecipeService"
    similarities: "SimilarityService"

    async def close(self) -> None:
        """End it, and every call on it."""
        await self.channel.close()


def connect(address: Address) -> Line:
    """Return a line to a daemon."""
    opened = _channel(address)
    return Line(
        channel=opened,
        blueprints=BlueprintServiceStub(opened),
        daemon=DaemonServiceStub(opened),
        datasets=DatasetServiceStub(opened),
        devices=DeviceServiceStub(opened),
        evaluations=EvaluationServiceStub(opened),
        jobs=JobServiceStub(opened),
        models=ModelServiceStub(opened),
        plots=PlotServiceStub(opened),
        recipes=RecipeServiceStub(opened),
        similarities=SimilarityServiceStub(opened),
    )


def _channel(address: Address) -> grpc.aio.Channel:
    match address:
        case Socket():
            return grpc.aio.insecure_channel(
                channel.target(address.path), options=channel.options()
            )
        case Server():
            return grpc.aio.secure_channel(
                door.target(address), door.credentials(address), options=door.options()
            )


def opened(open_stream: "Callable[[], Stream[R]]") -> "Stream[R]":
    """Begin a stream."""
    return open_stream()


class Ending:
    """How a call with a stream of requests ends.

    Where the daemon ends it while a request is on its way, grpc.aio (seen with 1.85) also says an
    INTERNAL of its own, before what the daemon said or over it.
    """

    def __init__(self, call: "Stream[R] | grpc.aio.StreamUnaryCall[Any, R]") -> None:
        self._said: RpcError | None = None
        self._is_said = asyncio.Event()
        call.add_done_callback(self._on_status)

    async def of(self, error: RpcError) -> RpcError:
        """Return what the daemon said, where it said something; else the error that was seen."""
        # Not wait_for: before Python 3.12 it can lose a cancellation, which Ctrl-C is.
        with suppress(TimeoutError):
            async with asyncio.timeout(_STATUS_S):
                await self._is_said.wait()
        return self._said or error

    def _on_status(self, call: Any) -> None:
        # Called each time that it is set, and it is set: no coroutine of these has to wait.
        try:
            _status(call).send(None)
        except StopIteration as done:
            if done.value.details() != _OWN_ERROR:
                self._said = done.value
                self._is_said.set()


async def _status(call: Any) -> RpcError:
    return RpcError(
        await call.code(), await call.initial_metadata(), await call.trailing_metadata(),
        details=await call.details(),
    )  # fmt: skip


def call_later(seconds: float, what: Callable[[], None]) -> Timer:
    """Call something later, unless the timer is cancelled."""
    return asyncio.get_running_loop().call_later(seconds, what)


async def sent(method: "SendingMethod[Q, R]", requests: "Sequence[Q]", *, deadline_s: float) -> "R":
    """Send requests in one call; return its answer."""
    call = method(iter(requests), timeout=deadline_s)
    ending = Ending(call)
    try:
        return await call
    except RpcError as error:
        raise await ending.of(error) from None


async def aside(work: "Callable[[], T]") -> "T":
    """Do what waits for a disk or the network, in a thread.

    Whoever is cancelled leaves it to itself: what comes of it is dropped.
    """
    outcome: Future[T] = Future()
    is_over = asyncio.Event()
    over = partial(asyncio.get_running_loop().call_soon_threadsafe, is_over.set)
    do = partial(copy_context().run, work)
    # Not of a pool: event loop and interpreter wait for those of pools before they end.
    Thread(target=_do, args=(do, outcome, over), daemon=True, name="aside").start()
    await is_over.wait()
    return outcome.result()


def _do(work: "Callable[[], T]", outcome: "Future[T]", over: Callable[[], object]) -> None:
    """Do it, and say so; to nobody where the event loop has ended meanwhile."""
    try:
        outcome.set_result(work())
    except BaseException as error:  # noqa: BLE001 - whatever it is, somebody waits for it
        outcome.set_exception(error)
    with suppress(RuntimeError):
        over()
