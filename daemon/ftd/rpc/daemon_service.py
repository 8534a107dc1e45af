"""DaemonService: decode, call, encode."""

import asyncio
import shutil
from typing import Any

from finetuned.v1 import daemon_service_pb2 as pb
from finetuned.v1 import daemon_service_pb2_grpc
from ftd.release import version
from ftd.rpc import callers, convert
from ftd.rpc.office import Office


class DaemonService(daemon_service_pb2_grpc.DaemonServiceServicer):
    """Says of the daemon itself what its clients need to know."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def GetDaemon(self, request: pb.GetDaemonRequest, context: Any) -> pb.GetDaemonResponse:
        """Get the daemon."""
        caller = callers.current()
        disk = await asyncio.to_thread(shutil.disk_usage, self._office.state_dir)
        roots = self._office.roots.of(caller)
        daemon = pb.Daemon(
            version=version(),
            time=convert.time_to_proto(self._office.now()),
            start_time=convert.time_to_proto(self._office.start_time),
            disk_free_bytes=disk.free,
            disk_bytes=disk.total,
            user=caller.user,
            is_admin=caller.is_admin,
            data_roots=map(str, roots or ()),
            any_path=roots is None,
        )
        return pb.GetDaemonResponse(daemon=daemon)

    async def ListUsage(self, request: pb.ListUsageRequest, context: Any) -> pb.ListUsageResponse:
        """List what each user has of the machine."""
        only_of = callers.current().only_of
        users = await self._office.store.usage(self._office.now(), only_of=only_of)
        return pb.ListUsageResponse(users=map(convert.usage_to_proto, users))
