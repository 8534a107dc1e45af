"""The devices of a scripted daemon, and what it says of itself."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import grpc
from google.protobuf.message import Message

from finetuned.v1 import daemon_service_pb2, device_pb2
from finetuned.v1 import device_service_pb2 as pb
from finetuned.v1.daemon_service_pb2_grpc import DaemonServiceServicer
from finetuned.v1.device_service_pb2_grpc import DeviceServiceServicer
from ftctl import release
from tests.fakes.refusals import Refusal, refuse


class FakeDevices(DeviceServiceServicer):
    """Holds devices as a test puts them there; drains and resumes them."""

    def __init__(self, *, note: Callable[[Message], Awaitable[None]]) -> None:
        self.all: list[device_pb2.Device] = []
        self._note = note

    async def ListDevices(self, request, context):
        await self._note(request)
        return pb.ListDevicesResponse(devices=self.all)

    async def DrainDevice(self, request, context):
        await self._note(request)
        device = await self._find(request.device, context)
        busy, idle = device_pb2.DEVICE_STATE_DRAINING, device_pb2.DEVICE_STATE_DRAINED
        device.state, device.reason = busy if device.jobs else idle, request.reason
        return pb.DrainDeviceResponse(device=device)

    async def ResumeDevice(self, request, context):
        await self._note(request)
        device = await self._find(request.device, context)
        busy, idle = device_pb2.DEVICE_STATE_BUSY, device_pb2.DEVICE_STATE_FREE
        device.state, device.reason = busy if device.jobs else idle, ""
        return pb.ResumeDeviceResponse(device=device)

    async def _find(self, ref: str, context) -> device_pb2.Device:
        found = [
            device
            for device in self.all
            if ref in (device.id, device.uuid)
            or (len(ref) >= 4 and (device.id.startswith(ref) or device.uuid.startswith(ref)))
        ]
        if not found:
            message = f"there is no device `{ref}`; `ftctl devices` shows all"
            await refuse(context, Refusal(grpc.StatusCode.NOT_FOUND, "DEVICE_NOT_FOUND", message))
        if len(found) > 1:
            message = f"`{ref}` may be {found[0].id} or {found[1].id}; say more of it"
            code = grpc.StatusCode.INVALID_ARGUMENT
            await refuse(context, Refusal(code, "AMBIGUOUS_DEVICE_ID", message))
        return found[0]


class FakeOwnAccount(DaemonServiceServicer):
    """Says of the daemon what a test puts there."""

    def __init__(self) -> None:
        self.daemon = daemon_service_pb2.Daemon(
            version=release.version(), disk_free_bytes=2**40, disk_bytes=2**41, user="me",
            is_admin=True, any_path=True,
        )  # fmt: skip
        self.clock_ahead_s = 0.0
        self.users: list[daemon_service_pb2.UserUsage] = []

    async def GetDaemon(self, request, context):
        self.daemon.time.FromDatetime(datetime.now(UTC) + timedelta(seconds=self.clock_ahead_s))
        return daemon_service_pb2.GetDaemonResponse(daemon=self.daemon)

    async def ListUsage(self, request, context):
        return daemon_service_pb2.ListUsageResponse(users=self.users)
