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

from finetuned.v1.device_service_pb2_grpc import DeviceServiceStub
from finetuned.v1.job_service_pb2_grpc import JobServiceStub
from ftctl import channel

if TYPE_CHECKING:
    from finetuned.v1.device_service_pb2_grpc import DeviceServiceAsyncStub
    from finetuned.v1.job_service_pb2_grpc import JobServiceAsyncStub

    R = TypeVar("R")
    DeviceService = DeviceServiceAsyncStub
    JobService = JobServiceAsyncStub
    Stream = grpc.aio.UnaryStreamCall[Any, R]

__all__ = [
    "Line", "Method", "RpcError", "Timer", "call_later", "closing", "connect", "opened", "sleep",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A connection, and the services at its other end."""

    channel: grpc.aio.Channel
    jobs: "JobService"
    devices: "DeviceService"

    async def close(self) -> None:
        """End it, and every call on it."""
        await self.channel.close()


def connect(path: Path) -> Line:
    """Return a line to the daemon that listens on a unix socket."""
    opened = grpc.aio.insecure_channel(channel.target(path), options=channel.options())
    return Line(channel=opened, jobs=JobServiceStub(opened), devices=DeviceServiceStub(opened))


def opened(open_stream: "Callable[[], Stream[R]]") -> "Stream[R]":
    """Begin a stream."""
    return open_stream()


def call_later(seconds: float, what: Callable[[], None]) -> Timer:
    """Call something later, unless the timer is cancelled."""
    return asyncio.get_running_loop().call_later(seconds, what)
