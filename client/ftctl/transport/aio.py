"""The async client's transport: grpc.aio and asyncio."""

import asyncio
from asyncio import TimerHandle as Timer
from asyncio import sleep
from collections.abc import Callable, Sequence
from contextlib import aclosing as closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from grpc.aio import AioRpcError as RpcError
from grpc.aio import StreamUnaryMultiCallable as SendingMethod
from grpc.aio import UnaryUnaryMultiCallable as Method

from finetuned.v1.daemon_service_pb2_grpc import DaemonServiceStub
from finetuned.v1.dataset_service_pb2_grpc import DatasetServiceStub
from finetuned.v1.device_service_pb2_grpc import DeviceServiceStub
from finetuned.v1.job_service_pb2_grpc import JobServiceStub
from finetuned.v1.model_service_pb2_grpc import ModelServiceStub
from finetuned.v1.recipe_service_pb2_grpc import RecipeServiceStub
from ftctl import channel, door
from ftctl.address import Address, Server, Socket

if TYPE_CHECKING:
    from finetuned.v1.daemon_service_pb2_grpc import DaemonServiceAsyncStub
    from finetuned.v1.dataset_service_pb2_grpc import DatasetServiceAsyncStub
    from finetuned.v1.device_service_pb2_grpc import DeviceServiceAsyncStub
    from finetuned.v1.job_service_pb2_grpc import JobServiceAsyncStub
    from finetuned.v1.model_service_pb2_grpc import ModelServiceAsyncStub
    from finetuned.v1.recipe_service_pb2_grpc import RecipeServiceAsyncStub

    R = TypeVar("R")
    Q = TypeVar("Q")
    T = TypeVar("T")
    DaemonService = DaemonServiceAsyncStub
    DatasetService = DatasetServiceAsyncStub
    DeviceService = DeviceServiceAsyncStub
    JobService = JobServiceAsyncStub
    ModelService = ModelServiceAsyncStub
    RecipeService = RecipeServiceAsyncStub
    Stream = grpc.aio.UnaryStreamCall[Any, R] | grpc.aio.StreamStreamCall[Any, R]

__all__ = [
    "Line", "Method", "RpcError", "SendingMethod", "Timer", "aside", "call_later", "closing",
    "connect", "opened", "sent", "sleep",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A connection, and the services at its other end."""

    channel: grpc.aio.Channel
    daemon: "DaemonService"
    datasets: "DatasetService"
    devices: "DeviceService"
    jobs: "JobService"
    models: "ModelService"
    recipes: "RecipeService"

    async def close(self) -> None:
        """End it, and every call on it."""
        await self.channel.close()


def connect(address: Address) -> Line:
    """Return a line to a daemon."""
    opened = _channel(address)
    return Line(
        channel=opened,
        daemon=DaemonServiceStub(opened),
        datasets=DatasetServiceStub(opened),
        devices=DeviceServiceStub(opened),
        jobs=JobServiceStub(opened),
        models=ModelServiceStub(opened),
        recipes=RecipeServiceStub(opened),
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


def call_later(seconds: float, what: Callable[[], None]) -> Timer:
    """Call something later, unless the timer is cancelled."""
    return asyncio.get_running_loop().call_later(seconds, what)


async def sent(method: "SendingMethod[Q, R]", requests: "Sequence[Q]", *, deadline_s: float) -> "R":
    """Send requests in one call; return its answer."""
    return await method(iter(requests), timeout=deadline_s)


async def aside(work: "Callable[[], T]") -> "T":
    """Do what waits for a disk or the network, in a thread."""
    return await asyncio.to_thread(work)
