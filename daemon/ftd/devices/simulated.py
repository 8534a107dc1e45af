"""Devices that are only said to be there: the work runs on the processor."""

from collections.abc import Mapping, Sequence

from ftd.devices.cpu import HIDDEN, usable_cores
from ftd.devices.model import Device, DeviceId, DeviceKind, Sample


class SimulatedInventory:
    """Devices with as much memory as one likes; they share all cores."""

    def __init__(self, count: int, memory_bytes: int) -> None:
        cores = usable_cores()
        self._devices = tuple(
            Device(
                id=f"sim{index}",
                uuid=f"sim{index}",
                kind=DeviceKind.SIMULATED,
                name="simulated",
                memory_bytes=memory_bytes,
                cores=cores,
            )
            for index in range(count)
        )

    @property
    def devices(self) -> Sequence[Device]:
        """All of them, by number."""
        return self._devices

    def sample(self) -> Mapping[DeviceId, Sample]:
        """Find each of them well."""
        return {device.id: Sample() for device in self._devices}

    def environment(self, ids: Sequence[DeviceId]) -> Mapping[str, str]:
        """Hide all cards: a worker that sees one would use it."""
        return dict(HIDDEN)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""
