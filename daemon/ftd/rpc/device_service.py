"""DeviceService: decode, call, encode."""

from typing import Any

from finetuned.v1 import device_service_pb2 as pb
from finetuned.v1 import device_service_pb2_grpc
from ftd.rpc import checks, convert
from ftd.rpc.office import Office


class DeviceService(device_service_pb2_grpc.DeviceServiceServicer):
    """Shows devices, drains and resumes them."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def ListDevices(
        self, request: pb.ListDevicesRequest, context: Any
    ) -> pb.ListDevicesResponse:
        """List all devices."""
        standings = await self._office.look_at_devices()
        return pb.ListDevicesResponse(devices=map(convert.device_to_proto, standings))

    async def DrainDevice(
        self, request: pb.DrainDeviceRequest, context: Any
    ) -> pb.DrainDeviceResponse:
        """Have a device take no more jobs."""
        standing = await self._office.drain(
            checks.device_ref(request.device), reason=checks.drain_reason(request.reason)
        )
        return pb.DrainDeviceResponse(device=convert.device_to_proto(standing))

    async def ResumeDevice(
        self, request: pb.ResumeDeviceRequest, context: Any
    ) -> pb.ResumeDeviceResponse:
        """Have a drained device take jobs again."""
        standing = await self._office.resume(checks.device_ref(request.device))
        return pb.ResumeDeviceResponse(device=convert.device_to_proto(standing))
