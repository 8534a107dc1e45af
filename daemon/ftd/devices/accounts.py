"""Whose memory it is: shares what devices and processes say out over jobs and others. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ftd.devices.memory import MachineMemory
from ftd.devices.model import Device, DeviceId, DeviceKind, Reading, Sample, Tenant, Usage
from ftd.devices.processes import Footprint

MOST_FOREIGN = 16
# A driver uses so much for itself beyond what it charges processes with.
_UNEXPLAINED_BYTES = 256 * 2**20
# Stands for processes that cannot be seen: those of other containers.
_UNSEEN = Usage(pid=0, name="?", memory_bytes=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """The processes of one moment."""

    trees: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """The processes of each job."""
    footprints: Mapping[str, Footprint] = field(default_factory=dict)
    """What they hold of the machine's memory."""
    house: Footprint = field(default_factory=Footprint)
    """What the daemon holds itself, with those who wait to become workers."""
    strangers: tuple[Usage, ...] = ()
    """The largest of all other processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """All that was seen at once."""

    time: datetime
    samples: Mapping[DeviceId, Sample]
    tenants: Sequence[Tenant]
    census: Census
    machine: MachineMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Who holds how much."""

    readings: Mapping[DeviceId, Reading]
    jobs: Mapping[str, int]
    """Bytes of each tenant, summed over its devices."""


def settle(
    moment: Moment, devices: Sequence[Device], before: Mapping[DeviceId, Reading]
) -> Statement:
    """Return who holds how much of each device; `before` are the readings of the last time."""
    readings: dict[DeviceId, Reading] = {}
    jobs = {tenant.job_id: 0 for tenant in moment.tenants}
    foreign = _foreign_of_machine(moment, devices)
    for device in devices:
        match device.kind:
            case DeviceKind.GPU | DeviceKind.MIG:
                reading, shares = _card(moment, device, before[device.id])
            case DeviceKind.CPU | DeviceKind.SIMULATED:
                reading, shares = _of_machine(moment, device, foreign)
        readings[device.id] = reading
        for job_id, share in shares.items():
            jobs[job_id] += share
    return Statement(readings=readings, jobs=jobs)


def _of_machine(moment: Moment, device: Device, foreign: int) -> tuple[Reading, Mapping[str, int]]:
    """Account for a device whose memory is the machine's, or is said to be."""
    shares = {
        tenant.job_id: _footprint(moment, tenant).pss_bytes // len(tenant.devices)
        for tenant in _tenants(moment, device)
    }
    ours = sum(shares.values())
    reading = Reading(time=moment.time, memory_used_bytes=ours, sample=_sample(moment, device))
    if device.kind is DeviceKind.CPU:
        reading = replace(
            reading,
            memory_used_bytes=ours + foreign,
            memory_foreign_bytes=foreign,
            foreign=moment.census.strangers[:MOST_FOREIGN],
        )
    return reading, shares


def _foreign_of_machine(moment: Moment, devices: Sequence[Device]) -> int:
    """Return what others hold of each processor's share of the machine's memory."""
    # Pages of files are no part of the memory in use: they could be dropped.
    held = [_footprint(moment, tenant) for tenant in moment.tenants] + [moment.census.house]
    foreign = moment.machine.used_bytes - sum(each.anonymous_bytes for each in held)
    count = sum(device.kind is DeviceKind.CPU for device in devices)
    return max(foreign, 0) // count if count else 0


def _card(moment: Moment, device: Device, before: Reading) -> tuple[Reading, Mapping[str, int]]:
    """Account for a device with a memory of its own, whose driver names who holds it."""
    sample, tenants = _visible(_sample(moment, device)), _tenants(moment, device)
    trees = {tenant.job_id: moment.census.trees.get(tenant.job_id, ()) for tenant in tenants}
    shares = {
        job_id: _held(usage for usage in sample.processes if usage.pid in tree)
        for job_id, tree in trees.items()
    }
    others = [each for each in sample.processes if not any(each.pid in t for t in trees.values())]
    used = sample.memory_used_bytes
    unseen = _unexplained(sample)
    if unseen and tenants and not any(shares.values()):
        # The driver does not name our processes either: what was there before them is foreign.
        earlier = min(unseen, _held(usage for usage in before.foreign if usage.pid == 0))
        shares = {job_id: (unseen - earlier) // len(tenants) for job_id in shares}
        unseen = earlier
    if unseen:
        others.append(replace(_UNSEEN, memory_bytes=unseen))
    others.sort(key=lambda usage: (-usage.memory_bytes, usage.pid))
    foreign = _held(others)
    reading = Reading(
        time=moment.time,
        memory_used_bytes=foreign + sum(shares.values()) if used is None else used,
        memory_foreign_bytes=foreign,
        foreign=tuple(others[:MOST_FOREIGN]),
        sample=_sample(moment, device),
    )
    return reading, shares


def _visible(sample: Sample) -> Sample:
    """Leave out processes without a name: in a container the driver tells the host's numbers."""
    return replace(sample, processes=tuple(each for each in sample.processes if each.name))


def _unexplained(sample: Sample) -> int:
    """Return what is in use and no process is charged with."""
    gap = (sample.memory_used_bytes or 0) - _held(sample.processes)
    return gap if gap > _UNEXPLAINED_BYTES else 0


def _held(usages: Iterable[Usage]) -> int:
    return sum(usage.memory_bytes for usage in usages)


def _tenants(moment: Moment, device: Device) -> list[Tenant]:
    return [tenant for tenant in moment.tenants if device.id in tenant.devices]


def _sample(moment: Moment, device: Device) -> Sample:
    return moment.samples.get(device.id, Sample(fault="its driver says nothing of it"))


def _footprint(moment: Moment, tenant: Tenant) -> Footprint:
    return moment.census.footprints.get(tenant.job_id, Footprint())
