"""The real RPC layer over a fake office, and a channel to it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from finetuned.v1 import (
    dataset_service_pb2_grpc,
    job_pb2,
    job_service_pb2_grpc,
    model_service_pb2_grpc,
    recipe_service_pb2_grpc,
)
from ftd.jobs.broadcast import Broadcast
from ftd.jobs.store import Store
from ftd.rpc.listener import Listener
from tests.fakes.jobs import RECIPE
from tests.fakes.office import FakeOffice


@dataclass(frozen=True, kw_only=True)
class Line:
    """A connection, and what is at its other end."""

    office: FakeOffice
    listener: Listener
    channel: grpc.aio.Channel
    socket: Path

    @property
    def jobs(self) -> Any:
        return job_service_pb2_grpc.JobServiceStub(self.channel)

    @property
    def models(self) -> Any:
        return model_service_pb2_grpc.ModelServiceStub(self.channel)

    @property
    def datasets(self) -> Any:
        return dataset_service_pb2_grpc.DatasetServiceStub(self.channel)

    @property
    def recipes(self) -> Any:
        return recipe_service_pb2_grpc.RecipeServiceStub(self.channel)


@contextlib.asynccontextmanager
async def listening(folder: Path, *, capacity: int = 256) -> AsyncIterator[Line]:
    """Serve a fake office inside the block, over a store in a folder."""
    with TemporaryDirectory(prefix="ftd-") as short:  # a socket's path is short by law
        socket = Path(short, "ftd.sock")
        async with await Store.open(folder / "ftd.sqlite") as store:
            watched = Broadcast(store, capacity=capacity)
            office = FakeOffice(
                store, watched, predictions=folder / "predictions", datasets=folder / "datasets"
            )
            listener = Listener(office)
            await listener.start(socket)
            try:
                # Otherwise the transport takes in ever more for a reader that does not read.
                options = [("grpc.http2.bdp_probe", 0)]
                async with grpc.aio.insecure_channel(f"unix:{socket}", options) as channel:
                    yield Line(office=office, listener=listener, channel=channel, socket=socket)
            finally:
                await listener.stop()


def spec(name: str = "", **fields: Any) -> job_pb2.JobSpec:
    return job_pb2.JobSpec(**{"name": name, "recipe_json": RECIPE, **fields})


async def rest(call: Any) -> list[Any]:
    """Return what a stream still brings."""
    replies = []
    while (reply := await call.read()) is not grpc.aio.EOF:
        replies.append(reply)
    return replies


def details(error: grpc.aio.AioRpcError) -> dict[str, Message]:
    """Return the machine-readable details of an error by their kind."""
    trailing = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    assert (status.code, status.message) == (error.code().value[0], error.details())
    kinds = (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)
    found = {}
    for packed in status.details:
        (kind,) = [kind for kind in kinds if packed.Is(kind.DESCRIPTOR)]
        found[kind.__name__] = kind()
        packed.Unpack(found[kind.__name__])
    return found


def reason(error: grpc.aio.AioRpcError) -> str:
    return details(error)["ErrorInfo"].reason
