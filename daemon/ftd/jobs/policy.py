"""Which jobs start now and where, and why the others wait. A pure function of what is given.

- Higher priority first, then in order of submission. Whoever waits for its plan, for another job
  or for a moment holds nobody up; neither does one that could not run if the open devices were
  empty.
- Jobs that say their memory share devices with each other, as far as what they say fits beside
  what others hold. One that does not say it has its devices for itself. A job gets all its devices
  at once or none.
- A ready job that does not fit lays claim to its best devices (`Room.reserve`): nobody behind it
  gets onto those that it waits for. So the first of them starts as soon as what runs there has
  ended, however many small jobs come after it, and what nobody has a claim to is used.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from ftd.devices.model import Device, DeviceId
from ftd.jobs import waiting
from ftd.jobs.model import JobId
from ftd.jobs.placement import Pending, Place, Room, Tenant
from ftd.jobs.waiting import Hindrances
from fttrain.spec.faults import Fault

__all__ = ["Decision", "Pending", "Place", "Tenant", "decide", "impossible"]

_MOST_LISTED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do now."""

    starts: Mapping[JobId, tuple[DeviceId, ...]]
    """Jobs to start, each with its devices."""
    reasons: Mapping[JobId, str]
    """Why each job that does not start waits."""
    wake: datetime | None
    """When the next `not_before` comes, or a wait after a failure ends; None: nothing changes by
    itself."""


def decide(queue: Iterable[Pending], places: Sequence[Place], now: datetime) -> Decision:
    """Start what can start, and say of every other job why it waits."""
    jobs = _in_order(queue)
    room, hindrances = Room(places), Hindrances(places)
    starts: dict[JobId, tuple[DeviceId, ...]] = {}
    reasons: dict[JobId, str] = {}
    has_head = False
    for job in jobs:
        if why := waiting.blocked(job, now):
            reasons[job.id] = why
        elif not room.could_ever_fit(job):
            reasons[job.id] = hindrances.of(job)
        elif room.is_turned_away(job):
            reasons[job.id] = waiting.ITS_TURN
        elif len(fitting := room.fitting(job)) == job.devices:
            room.take(fitting, job.memory_bytes)
            starts[job.id] = tuple([places[position].device for position in fitting])
        else:
            waited_for = room.reserve(job, fitting)
            reasons[job.id] = waiting.ITS_TURN
            if waited_for and not has_head:
                left = room.left_bytes(waited_for[0])
                reasons[job.id] = waiting.at_head(
                    job, places, fitting=fitting, waited_for=waited_for, left_bytes=left
                )
                has_head = True
    moments = (moment for job in jobs for moment in (job.not_before, job.retry_time))
    ahead = (moment for moment in moments if moment is not None and moment > now)
    return Decision(starts=starts, reasons=reasons, wake=min(ahead, default=None))


def impossible(*, devices: int, memory_bytes: int | None, machine: Sequence[Device]) -> list[Fault]:
    """Return what a job asks for that the machine does not have, drained or not."""
    faults = []
    if devices > len(machine):
        have = f"{len(machine)}: {_listed(machine)}" if machine else "none"
        text = f"asks for {_counted(devices)}; this machine has {have}"
        faults.append(Fault(field="resources.devices", description=text))
    if machine and memory_bytes is not None and (text := _too_much(devices, memory_bytes, machine)):
        faults.append(Fault(field="resources.memory", description=text))
    return faults


def _in_order(queue: Iterable[Pending]) -> list[Pending]:
    # Two stable sorts by a number each take less time than one by pairs.
    jobs = sorted(queue, key=attrgetter("number"))
    jobs.sort(key=attrgetter("priority"), reverse=True)
    return jobs


def _too_much(devices: int, memory_bytes: int, machine: Sequence[Device]) -> str:
    asks = f"asks for {waiting.size(memory_bytes, up=True)} of"
    able = [device for device in machine if device.memory_bytes >= memory_bytes]
    if not able:
        largest = max(device.memory_bytes for device in machine)
        return f"{asks} each device; the largest has {waiting.size(largest)}"
    if len(able) < devices <= len(machine):
        only = f"only {len(able)} ha{'s' if len(able) == 1 else 've'} that"
        return f"{asks} each of {_counted(devices)}; {only}: {_listed(able)}"
    return ""


def _counted(devices: int) -> str:
    return f"{devices} device{'' if devices == 1 else 's'}"


def _listed(machine: Sequence[Device]) -> str:
    ids = [device.id for device in machine]
    if len(ids) > _MOST_LISTED:
        return f"{', '.join(ids[:_MOST_LISTED])} and {len(ids) - _MOST_LISTED} more"
    return ", ".join(ids)
