"""The devices of the machine, who is on them, and which take no more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ftd.devices.model import Device, DeviceId, DeviceKind, Reading
from ftd.errors import AmbiguousDeviceId, DeviceNotFound
from ftd.jobs.model import Job, JobId
from ftd.jobs.policy import Place, Tenant

_SHORTEST_REF = 4


class DeviceState(StrEnum):
    """Whether a device takes jobs."""

    FREE = "free"
    BUSY = "busy"
    DRAINING = "draining"
    DRAINED = "drained"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A job on a device."""

    job_id: JobId
    name: str
    memory_bytes: int | None
    """What it has declared; None: it has the device for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A device as it stands."""

    device: Device
    state: DeviceState
    reason: str
    """Why it takes no jobs, where it takes none."""
    reading: Reading
    guests: tuple[Guest, ...]

    @property
    def reserved_bytes(self) -> int:
        """What its jobs have declared; all of it where one has it for itself."""
        declared = [guest.memory_bytes for guest in self.guests]
        if None in declared:
            return self.device.memory_bytes
        return sum(memory or 0 for memory in declared)


class Fleet:
    """Keeps the account of the devices. Says nothing about which job should have which."""

    def __init__(self, devices: Sequence[Device], drains: Mapping[str, str]) -> None:
        self.devices = {device.id: device for device in devices}
        self._drains = dict(drains)
        self._guests: dict[DeviceId, dict[JobId, Guest]] = {device.id: {} for device in devices}
        self.readings: Callable[[], Mapping[DeviceId, Reading]] = dict
        """What the devices say; nothing before somebody is there to ask."""

    def find(self, ref: str) -> Device:
        """Return the device that an id, a uuid or the beginning of one means.

        Raises:
            DeviceNotFound, AmbiguousDeviceId
        """
        every = list(self.devices.values())
        exact = [each for each in every if ref in (each.id, each.uuid)]
        near = [each for each in every if each.id.startswith(ref) or each.uuid.startswith(ref)]
        found = exact or (near if len(ref) >= _SHORTEST_REF else [])
        if not found:
            known = ", ".join(self.devices)
            raise DeviceNotFound(f"no device has the id `{ref}`; this machine has {known}")
        if len(found) > 1:
            named = ", ".join(each.id for each in found)
            raise AmbiguousDeviceId(f"`{ref}` could be {named}; say more of it")
        return found[0]

    def means(self, count: int) -> dict[str, Any]:
        """Return what a job on so many devices has to compute with."""
        devices = list(self.devices.values())[:count]
        is_cuda = any(device.kind in (DeviceKind.GPU, DeviceKind.MIG) for device in devices)
        cores = {core for device in devices for core in device.cores}
        return {
            "cpus": len(cores),
            "device": "cuda" if is_cuda else "cpu",
            "accelerator": devices[0].name if is_cuda else "",
        }

    def drain(self, device: Device, reason: str) -> None:
        """Have a device take no more jobs."""
        self._drains[device.uuid] = reason

    def resume(self, device: Device) -> None:
        """Have it take jobs again."""
        self._drains.pop(device.uuid, None)

    def hold(self, job: Job, devices: Sequence[DeviceId]) -> None:
        """Put a job on devices. One that this machine has no more counts nowhere."""
        guest = Guest(job_id=job.id, name=job.name, memory_bytes=job.request.memory_bytes)
        for device in devices:
            self._guests.get(device, {})[job.id] = guest

    def held_by(self, job_id: JobId) -> tuple[DeviceId, ...]:
        """Return the devices that a job is on."""
        return tuple(device for device, guests in self._guests.items() if job_id in guests)

    def guests(self) -> set[JobId]:
        """Return the jobs that are on any device."""
        return {job_id for guests in self._guests.values() for job_id in guests}

    def release(self, job_id: JobId) -> None:
        """Take a job off its devices."""
        for guests in self._guests.values():
            guests.pop(job_id, None)

    def places(self) -> list[Place]:
        """Return the devices as the scheduler sees them."""
        return [self._place(standing) for standing in self.standings()]

    def standings(self) -> list[Standing]:
        """Return every device as it stands."""
        return [self.standing(device) for device in self.devices.values()]

    def standing(self, device: Device) -> Standing:
        """Return a device as it stands."""
        reading = self.readings().get(device.id, Reading())
        guests = tuple(self._guests[device.id].values())
        state, reason = self._state(device, reading, is_empty=not guests)
        return Standing(device=device, state=state, reason=reason, reading=reading, guests=guests)

    def _state(
        self, device: Device, reading: Reading, *, is_empty: bool
    ) -> tuple[DeviceState, str]:
        if reading.sample.fault:
            return DeviceState.UNHEALTHY, reading.sample.fault
        if (why := self._drains.get(device.uuid)) is not None:
            return DeviceState.DRAINED if is_empty else DeviceState.DRAINING, why
        return DeviceState.FREE if is_empty else DeviceState.BUSY, ""

    def _place(self, standing: Standing) -> Place:
        reading = standing.reading
        return Place(
            device=standing.device.id,
            memory_bytes=standing.device.memory_bytes,
            foreign_bytes=reading.memory_foreign_bytes,
            foreign_names=tuple(f"{each.name or '?'} ({each.pid})" for each in reading.foreign),
            closed=_closed(standing),
            tenants=tuple(
                Tenant(name=guest.name, memory_bytes=guest.memory_bytes)
                for guest in standing.guests
            ),
        )


def _closed(standing: Standing) -> str:
    match standing.state:
        case DeviceState.FREE | DeviceState.BUSY:
            return ""
        case DeviceState.UNHEALTHY:
            return f"unhealthy: {standing.reason}"
    return f"drained: {standing.reason}" if standing.reason else "drained"
