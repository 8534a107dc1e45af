"""The devices of the machine, who is on them, and which take no more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog

from ftd.devices.model import Device, DeviceId, Reading
from ftd.errors import AmbiguousDeviceId, DeviceNotFound
from ftd.jobs.model import Job, JobId
from ftd.jobs.policy import Place, Tenant
from fttrain.spec.nearest import hint

log = structlog.get_logger()

_SHORTEST_REF = 4
_DRIFT = 512 << 20


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
    user: str = ""
    """Whose it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A device as it stands."""

    device: Device
    state: DeviceState
    reason: str
    """Why it takes no jobs, where it takes none."""
    reading: Reading
    guests: tuple[Guest, ...]
    left: tuple[str, ...] = ()
    """Processes of jobs that have ended, which nothing could end; the device waits for them."""

    @property
    def reserved_bytes(self) -> int:
        """What its jobs have declared; all of it where one has it for itself."""
        declared = [guest.memory_bytes for guest in self.guests]
        if None in declared:
            return self.device.memory_bytes
        return sum(memory or 0 for memory in declared)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Foreign:
    """What others hold of a device, as the policy was told it."""

    size: int
    names: tuple[str, ...]


class Fleet:
    """Keeps the account of the devices. Says nothing about which job should have which."""

    def __init__(self, devices: Sequence[Device], drains: Mapping[str, str]) -> None:
        self.devices = {device.id: device for device in devices}
        self._drains = dict(drains)
        self._guests: dict[DeviceId, dict[JobId, Guest]] = {device.id: {} for device in devices}
        self.readings: Callable[[], Mapping[DeviceId, Reading]] = dict
        """What the devices say; nothing before somebody is there to ask."""
        self._told: dict[DeviceId, _Foreign] = {}
        self._left: dict[JobId, tuple[str, ...]] = {}

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
            known = hint(ref, self.devices) or f"; this machine has {', '.join(self.devices)}"
            raise DeviceNotFound(f"no device has the id `{ref}`{known}")
        if len(found) > 1:
            named = ", ".join(each.id for each in found)
            raise AmbiguousDeviceId(f"`{ref}` could be {named}; say more of it")
        return found[0]

    def means(self, count: int) -> dict[str, Any]:
        """Return what a job on so many devices has to compute with, whichever it gets."""
        devices = list(self.devices.values())
        is_cuda = any(device.is_card for device in devices)
        names = {device.name for device in devices}
        every = {core for device in devices for core in device.cores}
        cores = min(count * min(device.cpus for device in devices), len(every))
        return {
            "cpus": cores,
            "device": "cuda" if is_cuda else "cpu",
            "accelerator": names.pop() if is_cuda and len(names) == 1 else "",
        }

    def drain(self, device: Device, reason: str) -> None:
        """Have a device take no more jobs."""
        self._drains[device.uuid] = reason

    def resume(self, device: Device) -> None:
        """Have it take jobs again."""
        self._drains.pop(device.uuid, None)

    def hold(self, job: Job, devices: Sequence[DeviceId]) -> None:
        """Put a job on devices. One that this machine has no more counts nowhere."""
        guest = Guest(
            job_id=job.id, name=job.name, memory_bytes=job.request.memory_bytes, user=job.user
        )
        for device in devices:
            if device in self._guests:
                self._guests[device][job.id] = guest
            else:
                log.warning("device_of_job_gone", job_id=job.id, name=job.name, device=device)

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
        self._left.pop(job_id, None)

    def detain(self, job_id: JobId, left: Sequence[str]) -> bool:
        """Have a job's devices take nothing while processes of it are left.

        Returns whether that is news.
        """
        before, self._left[job_id] = self._left.get(job_id), tuple(left)
        return before != self._left[job_id]

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
        left = {each.name: self._left[each.job_id] for each in guests if each.job_id in self._left}
        state, reason = self._state(device, reading, left, is_empty=not guests)
        return Standing(
            device=device,
            state=state,
            reason=reason,
            reading=reading,
            guests=guests,
            left=tuple(each for names in left.values() for each in names),
        )

    def _state(
        self,
        device: Device,
        reading: Reading,
        left: Mapping[str, Sequence[str]],
        *,
        is_empty: bool,
    ) -> tuple[DeviceState, str]:
        if reading.sample.fault:
            return DeviceState.UNHEALTHY, reading.sample.fault
        if left:
            said = "; ".join(f"{', '.join(names)} of {job}" for job, names in left.items())
            return DeviceState.UNHEALTHY, f"held by {said}, which nothing could end"
        if (why := self._drains.get(device.uuid)) is not None:
            return DeviceState.DRAINED if is_empty else DeviceState.DRAINING, why
        return DeviceState.FREE if is_empty else DeviceState.BUSY, ""

    def _foreign(self, standing: Standing) -> "_Foreign":
        """Return what others hold of a device.

        A processor's memory is never at rest: there what was told before holds until it differs
        notably. Else each look would give every job that waits another reason.
        """
        reading, before = standing.reading, self._told.get(standing.device.id)
        now = _Foreign(
            size=reading.memory_foreign_bytes,
            names=tuple(f"{each.name or '?'} ({each.pid})" for each in reading.foreign),
        )
        if before is None or standing.device.is_card or abs(now.size - before.size) > _DRIFT:
            self._told[standing.device.id] = now
        return self._told[standing.device.id]

    def _place(self, standing: Standing) -> Place:
        foreign = self._foreign(standing)
        return Place(
            device=standing.device.id,
            memory_bytes=standing.device.memory_bytes,
            foreign_bytes=foreign.size,
            foreign_names=foreign.names,
            closed=_closed(standing),
            tenants=tuple(
                Tenant(
                    job_id=guest.job_id,
                    name=guest.name,
                    memory_bytes=guest.memory_bytes,
                    user=guest.user,
                )
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
