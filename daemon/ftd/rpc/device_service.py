"""DeviceService: decode, call, encode."""

import asyncio
from typing import Any

from finetuned.v1 import device_service_pb2 as pb
from finetuned.v1 import device_service_pb2_grpc
from ftd.jobs.lasting import whole
from ftd.rpc import callers, checks, convert
from ftd.rpc.office import Office


class DeviceService(device_service_pb2_grpc.DeviceServiceServicer):
    """Shows devices, drains and resumes them."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def ListDevices(
        self, request: pb.ListDevicesRequest, context: Any
    ) -> pb.ListDevicesResponse:
        """List all devices. Of another user's job it is told what it holds, not which it is."""
        standings = await self._office.look_at_devices()
        devices = [convert.device_to_proto(standing) for standing in standings]
        if (user := callers.current().only_of) is not None:
            told = [job for device in devices for job in device.jobs]
            owners = await self._office.store.owners([job.job_id for job in told])
            for job in told:
                if owners.get(job.job_id) != user:
                    job.job_id = job.name = ""
        return pb.ListDevicesResponse(devices=devices)

    async def DrainDevice(
        self, request: pb.DrainDeviceRequest, context: Any
    ) -> pb.DrainDeviceResponse:
        """Have a device take no more jobs."""
        callers.refuse_all_but_admins("drain devices")
        device, reason = checks.device_ref(request.device), checks.drain_reason(request.reason)
        # To the end: what the store knows and what the scheduler knows must not part ways.
        standing = await whole(asyncio.create_task(self._office.drain(device, reason=reason)))
        return pb.DrainDeviceResponse(device=convert.device_to_proto(standing))

    async def ResumeDevice(
        self, request: pb.ResumeDeviceRequest, context: Any
    ) -> pb.ResumeDeviceResponse:
        """Have a drained device take jobs again."""
        callers.refuse_all_but_admins("resume devices")
        device = checks.device_ref(request.device)
        standing = await whole(asyncio.create_task(self._office.resume(device)))
        return pb.ResumeDeviceResponse(device=convert.device_to_proto(standing))
