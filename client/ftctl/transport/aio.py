"""The async client's transport: grpc.aio and asyncio."""

import asyncio
from asyncio import TimerHandle as Timer
from asyncio import sleep
from collections.abc import Callable
from contextlib import aclosing as closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from grpc.aio import AioRpcError as RpcError
from grpc.aio import UnaryUnaryMultiCallable as Method

from finetuned.v1.daemon_service_pb2_grpc import DaemonServiceStub
from finetuned.v1.dataset_service_pb2_grpc import DatasetServiceStub
from finetuned.v1.device_service_pb2_grpc import DeviceServiceStub
from finetuned.v1.job_service_pb2_grpc import JobServiceStub
from finetuned.v1.model_service_pb2_grpc import ModelServiceStub
from finetuned.v1.recipe_service_pb2_grpc import RecipeServiceStub
from ftctl import channel

if TYPE_CHECKING:
    from finetuned.v1.daemon_service_pb2_grpc import DaemonServiceAsyncStub
    from finetuned.v1.dataset_service_pb2_grpc import DatasetServiceAsyncStub
    from finetuned.v1.device_service_pb2_grpc import DeviceServiceAsyncStub
    from finetuned.v1.job_service_pb2_grpc import JobServiceAsyncStub
    from finetuned.v1.model_service_pb2_grpc import ModelServiceAsyncStub
    from finetuned.v1.recipe_service_pb2_grpc import RecipeServiceAsyncStub

    R = TypeVar("R")
    DaemonService = DaemonServiceAsyncStub
    DatasetService = DatasetServiceAsyncStub
    DeviceService = DeviceServiceAsyncStub
    JobService = JobServiceAsyncStub
    ModelService = ModelServiceAsyncStub
    RecipeService = RecipeServiceAsyncStub
    Stream = grpc.aio.UnaryStreamCall[Any, R]

__all__ = [
    "Line", "Method", "RpcError", "Timer", "call_later", "closing", "connect", "opened", "sleep",
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


def connect(path: Path) -> Line:
    """Return a line to the daemon that listens on a unix socket."""
    opened = grpc.aio.insecure_channel(channel.target(path), options=channel.options())
    return Line(
        channel=opened,
        daemon=DaemonServiceStub(opened),
        datasets=DatasetServiceStub(opened),
        devices=DeviceServiceStub(opened),
        jobs=JobServiceStub(opened),
        models=ModelServiceStub(opened),
        recipes=RecipeServiceStub(opened),
    )


def opened(open_stream: "Callable[[], Stream[R]]") -> "Stream[R]":
    """Begin a stream."""
    return open_stream()


def call_later(seconds: float, what: Callable[[], None]) -> Timer:
    """Call something later, unless the timer is cancelled."""
    return asyncio.get_running_loop().call_later(seconds, what)
