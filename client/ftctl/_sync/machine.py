# Generated from ftctl/_async by `make sync`; do not edit.
"""What one asks of the machine: its devices and its daemon."""

from finetuned.v1 import device_service_pb2 as device_pb
from ftctl import devicewire
from ftctl._sync.connection import Connection
from ftctl.devices import Device
from ftctl.tables import Devices


class Machine:
    """The part of a client that is about the machine."""

    _connection: Connection

    def devices(self) -> Devices:
        """Return the devices of the machine, always in the same order."""
        request = device_pb.ListDevicesRequest()
        response = self._connection.ask(self._connection.devices.ListDevices, request)
        return Devices(devicewire.device(item) for item in response.devices)

    def drain_device(self, name: str, reason: str = "") -> Device:
        """Have a device take no more jobs until it is resumed; those on it go on.

        Args:
            name: Its id, its uuid, or at least four characters of one.
            reason: What for, shown to whoever waits.
        """
        request = device_pb.DrainDeviceRequest(device=name, reason=reason)
        response = self._connection.ask(self._connection.devices.DrainDevice, request)
        return devicewire.device(response.device)

    def resume_device(self, name: str) -> Device:
        """Have a drained device take jobs again."""
        request = device_pb.ResumeDeviceRequest(device=name)
        response = self._connection.ask(self._connection.devices.ResumeDevice, request)
        return devicewire.device(response.device)
