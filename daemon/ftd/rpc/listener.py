"""The daemon's ears: a unix socket that only its owner may open, and TLS for other machines.

Two gRPC servers with the same services: who calls is known by the one that heard it.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

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
from ftd.errors import BadConfig
from ftd.jobs.callers import owner
from ftd.rpc.blueprint_service import BlueprintService
from ftd.rpc.callers import Gate, Owner
from ftd.rpc.daemon_service import DaemonService
from ftd.rpc.dataset_service import DatasetService
from ftd.rpc.device_service import DeviceService
from ftd.rpc.evaluation_service import EvaluationService
from ftd.rpc.interceptors import Edge, Told
from ftd.rpc.job_service import JobService
from ftd.rpc.model_service import ModelService
from ftd.rpc.office import Office
from ftd.rpc.plot_service import PlotService
from ftd.rpc.recipe_service import RecipeService
from ftd.rpc.similarity_service import SimilarityService
from ftd.tls import Identity

# What calls that are under way get before they are ended.
GRACE_S = 3.0
SETTLE_S = 30.0
"""What ended calls get for work in threads, which nothing can end."""
SERVICES = (
    "",
    "finetuned.v1.JobService",
    "finetuned.v1.RecipeService",
    "finetuned.v1.DeviceService",
    "finetuned.v1.DaemonService",
    "finetuned.v1.ModelService",
    "finetuned.v1.DatasetService",
    "finetuned.v1.PlotService",
    "finetuned.v1.BlueprintService",
    "finetuned.v1.EvaluationService",
    "finetuned.v1.SimilarityService",
)
REFLECTION = reflection.SERVICE_NAME
_OPTIONS = (
    ("grpc.max_receive_message_length", 4 * 2**20),
    # A client may ask each minute whether we are there, also while nothing is said.
    ("grpc.http2.min_ping_interval_without_data_ms", 60_000),
    ("grpc.keepalive_permit_without_calls", 1),
)
_DOOR_OPTIONS = (
    *_OPTIONS,
    ("grpc.so_reuseport", 0),  # a second daemon is told that the port is taken
    ("grpc.server_handshake_timeout_ms", 10_000),  # who says nothing is not waited for
    ("grpc.max_concurrent_streams", 100),  # of one connection
)


class Listener:
    """Serves an office."""

    def __init__(self, office: Office, tell: Told | None = None) -> None:
        """`tell` is told of every call that is answered."""
        self._office = office
        self._health = health.aio.HealthServicer()
        self._jobs = JobService(office)
        self._tell = tell
        self._edge = Edge(tell)
        self._socket = self._server([Owner(owner()), self._edge], _OPTIONS)
        self._door: grpc.aio.Server | None = None

    def _server(
        self, interceptors: Sequence[grpc.aio.ServerInterceptor], options: Any
    ) -> grpc.aio.Server:
        server = grpc.aio.server(interceptors=interceptors, options=options)
        job_service_pb2_grpc.add_JobServiceServicer_to_server(self._jobs, server)
        recipe_service_pb2_grpc.add_RecipeServiceServicer_to_server(
            RecipeService(self._office), server
        )
        device_service_pb2_grpc.add_DeviceServiceServicer_to_server(
            DeviceService(self._office), server
        )
        daemon_service_pb2_grpc.add_DaemonServiceServicer_to_server(
            DaemonService(self._office), server
        )
        dataset_service_pb2_grpc.add_DatasetServiceServicer_to_server(
            DatasetService(self._office), server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(self._office), server
        )
        plot_service_pb2_grpc.add_PlotServiceServicer_to_server(PlotService(self._office), server)
        evaluation_service_pb2_grpc.add_EvaluationServiceServicer_to_server(
            EvaluationService(self._office), server
        )
        similarity_service_pb2_grpc.add_SimilarityServiceServicer_to_server(
            SimilarityService(self._office), server
        )
        blueprint_service_pb2_grpc.add_BlueprintServiceServicer_to_server(
            BlueprintService(self._office), server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection(
            (*SERVICES[1:], health.SERVICE_NAME, REFLECTION), server
        )
        return server

    async def start(self, path: Path) -> None:
        """Listen on a socket with mode 0600. A file that is there is replaced."""
        mask = os.umask(0o177)
        try:
            self._socket.add_insecure_port(f"unix:{quote(str(path))}")
        finally:
            os.umask(mask)
        await self._socket.start()
        for service in SERVICES:
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def open_door(self, address: str, identity: Identity) -> int:
        """Listen to other machines too: TLS 1.2 or later, a token with every call.

        Returns the port.

        Raises:
            BadConfig: where the address cannot be had.
        """
        gate = Gate(self._office.store.tokens, self._tell)
        server = self._server([gate, self._edge], _DOOR_OPTIONS)
        pair = (identity.key, identity.certificate)
        try:
            port = server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        except RuntimeError:
            port = 0
        if not port:
            raise BadConfig(
                f"--listen: {address} cannot be had; another process has the port, or the address "
                "is not this machine's"
            )
        await server.start()
        self._door = server
        return port

    async def stop(self) -> None:
        """Take no more jobs, end the watchers politely, and wait for the calls under way."""
        await self._health.enter_graceful_shutdown()
        self._jobs.close()
        self._office.broadcast.close()
        servers = [self._socket, *([self._door] if self._door else [])]
        await asyncio.gather(*(server.stop(GRACE_S) for server in servers))
        # What they use is closed next.
        await self._edge.settle(SETTLE_S)
        await self._jobs.settle()
