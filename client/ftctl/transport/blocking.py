"""The sync client's transport: grpc's own threads; no event loop, so none is in its way."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from threading import Timer
from time import sleep
from typing import TYPE_CHECKING, TypeVar

import grpc
from grpc import RpcError
from grpc import StreamUnaryMultiCallable as SendingMethod
from grpc import UnaryUnaryMultiCallable as Method

from finetuned.v1.blueprint_service_pb2_grpc import BlueprintServiceStub as BlueprintService
from finetuned.v1.daemon_service_pb2_grpc import DaemonServiceStub as DaemonService
from finetuned.v1.dataset_service_pb2_grpc import DatasetServiceStub as DatasetService
from finetuned.v1.device_service_pb2_grpc import DeviceServiceStub as DeviceService
from finetuned.v1.evaluation_service_pb2_grpc import EvaluationServiceStub as EvaluationService
from finetuned.v1.job_service_pb2_grpc import JobServiceStub as JobService
from finetuned.v1.model_service_pb2_grpc import ModelServiceStub as ModelService
from finetuned.v1.plot_service_pb2_grpc import PlotServiceStub as PlotService
from finetuned.v1.recipe_service_pb2_grpc import RecipeServiceStub as RecipeService
from finetuned.v1.similarity_service_pb2_grpc import SimilarityServiceStub as SimilarityService
from ftctl import channel, door
from ftctl.address import Address, Server, Socket

if TYPE_CHECKING:
    R = TypeVar("R")
    Q = TypeVar("Q")
    T = TypeVar("T")
    Stream = grpc._CallIterator[R]

__all__ = [
    "BlueprintService", "DaemonService", "DatasetService", "DeviceService", "Ending",
    "EvaluationService", "JobService", "Line", "Method", "ModelService", "PlotService",
    "RecipeService", "RpcError", "SendingMethod", "SimilarityService", "Timer", "aside",
    "call_later", "closing", "connect", "opened", "sent", "sleep",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A connection, and the services at its other end. Threads may share it."""

    channel: grpc.Channel
    blueprints: BlueprintService
    daemon: DaemonService
    datasets: DatasetService
    devices: DeviceService
    evaluations: EvaluationService
    jobs: JobService
    models: ModelService
    plots: PlotService
    recipes: RecipeService
    similarities: SimilarityService

    def close(self) -> None:
        """End it, and every call on it."""
        self.channel.close()


def connect(address: Address) -> Line:
    """Return a line to a daemon."""
    opened = _channel(address)
    return Line(
        channel=opened,
        blueprints=BlueprintService(opened),
        daemon=DaemonService(opened),
        datasets=DatasetService(opened),
        devices=DeviceService(opened),
        evaluations=EvaluationService(opened),
        jobs=JobService(opened),
        models=ModelService(opened),
        plots=PlotService(opened),
        recipes=RecipeService(opened),
        similarities=SimilarityService(opened),
    )


def _channel(address: Address) -> grpc.Channel:
    match address:
        case Socket():
            return grpc.insecure_channel(channel.target(address.path), options=channel.options())
        case Server():
            return grpc.secure_channel(
                door.target(address), door.credentials(address), options=door.options()
            )


def opened(open_stream: "Callable[[], Stream[R]]") -> "Stream[R]":
    """Begin a stream, in a thread that no Ctrl-C reaches.

    Where one comes while gRPC sets a stream up (seen with 1.85), the channel never closes.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(open_stream).result()


class Ending:
    """How a call with a stream of requests ends."""

    def __init__(self, call: "Stream[R]") -> None:
        """Do nothing: here gRPC says what the daemon said."""

    def of(self, error: RpcError) -> RpcError:
        """Return the error that was seen."""
        return error


def call_later(seconds: float, what: Callable[[], None]) -> Timer:
    """Call something later, in a thread of its own, unless the timer is cancelled."""
    timer = Timer(seconds, what)
    timer.daemon = True
    timer.start()
    return timer


def sent(method: "SendingMethod[Q, R]", requests: "Sequence[Q]", *, deadline_s: float) -> "R":
    """Send requests in one call; return its answer."""
    # Begun as streams are, so that Ctrl-C comes while it is waited for alone.
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(partial(method.future, iter(requests), timeout=deadline_s)).result()
    try:
        return call.result()
    finally:
        call.cancel()


def aside(work: "Callable[[], T]") -> "T":
    """Do what waits for a disk or the network."""
    return work()
