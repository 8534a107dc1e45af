"""Devices as tests need them."""

from collections.abc import Mapping, Sequence

from ftd.devices.model import Device, DeviceId, DeviceKind, Sample

GIB = 1 << 30


def make_device(number: int = 0, *, kind: DeviceKind = DeviceKind.SIMULATED) -> Device:
    """A simulated device of 16 GiB, or one of another kind."""
    return Device(
        id=f"sim{number}", uuid=f"SIM-{number:08x}", kind=kind, name="simulated",
        memory_bytes=16 * GIB, cores=(0, 1),
    )  # fmt: skip


def make_devices(count: int) -> list[Device]:
    return [make_device(number) for number in range(count)]


class FakeInventory:
    """Devices that say what a test wants them to."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self.devices = devices
        self.samples: dict[DeviceId, Sample] = {}

    def sample(self) -> Mapping[DeviceId, Sample]:
        return {device.id: self.samples.get(device.id, Sample()) for device in self.devices}

    def environment(self, ids: Sequence[DeviceId]) -> Mapping[str, str]:
        return {"TEST_DEVICES": ",".join(ids)}

    def close(self) -> None:
        pass
