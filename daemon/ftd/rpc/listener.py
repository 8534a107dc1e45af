"""The daemon's ear: a gRPC server on a unix socket that only its owner may open."""

import os
from pathlib import Path
from urllib.parse import quote

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from finetuned.v1 import device_service_pb2_grpc, job_service_pb2_grpc, recipe_service_pb2_grpc
from ftd.rpc.device_service import DeviceService
from ftd.rpc.interceptors import Edge, Told
from ftd.rpc.job_service import JobService
from ftd.rpc.office import Office
from ftd.rpc.recipe_service import RecipeService

# What calls that are under way get before they are ended.
GRACE_S = 3.0
SERVICES = (
    "",
    "finetuned.v1.JobService",
    "finetuned.v1.RecipeService",
    "finetuned.v1.DeviceService",
)
_OPTIONS = (
    ("grpc.max_receive_message_length", 4 * 2**20),
    # A client may ask each minute whether we are there, also while nothing is said.
    ("grpc.http2.min_ping_interval_without_data_ms", 60_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class Listener:
    """Serves an office."""

    def __init__(self, office: Office, tell: Told | None = None) -> None:
        """`tell` is told of every call that is answered."""
        self._office = office
        self._health = health.aio.HealthServicer()
        self._jobs = JobService(office)
        self._server = grpc.aio.server(interceptors=[Edge(tell)], options=_OPTIONS)
        job_service_pb2_grpc.add_JobServiceServicer_to_server(self._jobs, self._server)
        recipe_service_pb2_grpc.add_RecipeServiceServicer_to_server(
            RecipeService(office), self._server
        )
        device_service_pb2_grpc.add_DeviceServiceServicer_to_server(
            DeviceService(office), self._server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def start(self, path: Path) -> None:
        """Listen on a socket with mode 0600. A file that is there is replaced."""
        mask = os.umask(0o177)
        try:
            self._server.add_insecure_port(f"unix:{quote(str(path))}")
        finally:
            os.umask(mask)
        await self._server.start()
        for service in SERVICES:
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self) -> None:
        """Take no more jobs, end the watchers politely, and wait for the calls under way."""
        await self._health.enter_graceful_shutdown()
        self._jobs.close()
        self._office.broadcast.close()
        await self._server.stop(GRACE_S)
        await self._jobs.settle()
