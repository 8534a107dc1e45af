"""Why a job does not start, in one sentence.

A sentence changes only with what it speaks of: ten thousand jobs that wait are not told anew
whenever one starts.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice, takewhile

from ftd.jobs.placement import Pending, Place, Tenant

ITS_TURN = "waits its turn"
_MOST_NAMED = 3
_TAKE_JOBS = ("takes jobs", "takes jobs", "take jobs")
_HAVE_THAT = ("has that", "has that", "have that")
"""For none, one and more."""
_GIB, _MIB = 2**30, 2**20


def blocked(job: Pending, now: datetime) -> str:
    """Say why a job could not start on any machine now; empty where it could."""
    if not job.is_planned:
        if job.plan_needs:
            return f"plan waits for {', '.join(job.plan_needs)}"
        return "plan pending"
    if job.waits_for:
        return f"waits for {', '.join(job.waits_for)}"
    if job.not_before is not None and job.not_before > now:
        return f"waits until {_moment(job.not_before)}"
    if job.retry_time is not None and job.retry_time > now:
        return job.retry_reason
    return ""


def at_head(
    job: Pending,
    places: Sequence[Place],
    *,
    fitting: Sequence[int],
    waited_for: Sequence[int],
    left_bytes: int | None,
) -> str:
    """Say what the job waits for that is the first to get what becomes free.

    Args:
        fitting: positions of the devices on which it fits already
        waited_for: of those that it waits for
        left_bytes: of the first of those; None where a job has it for itself
    """
    place = places[waited_for[0]]
    if job.devices == 1 and job.memory_bytes is not None and left_bytes is not None:
        names, _ = _tenants(place.tenants, job)
        beside = [*names, *place.foreign_names]
        has = f"{place.device} has {size(max(left_bytes, 0))} left"
        return f"{_need(job)}: {has}{f' beside {named(beside)}' if beside else ''}"
    fits = set(fitting)
    able = (p for i, p in enumerate(places) if i not in fits and p.could_hold(job.memory_bytes))
    names, count = _tenants((tenant for each in able for tenant in each.tenants), job)
    runs = f": {named(names)} run{'s' if count == 1 else ''}" if names else ""
    return f"waits for {_devices(job)}{runs}"


def for_room(job: Pending, makers: Iterable[Tenant]) -> str:
    """Say whom a job waits for that make room for it."""
    names, _ = _tenants(makers, job)
    return f"waits for {named(names)} to make room"


def _tenants(tenants: Iterable[Tenant], job: Pending) -> tuple[list[str], int]:
    """Return what to call some jobs before the user of another, and how many they are.

    His own have their names; how many are others' is all that he learns of these.
    """
    known = dict.fromkeys((tenant.name, tenant.user) for tenant in tenants)
    names = [name for name, user in known if user == job.user]
    if others := len(known) - len(names):
        names.append("another user's job" if others == 1 else f"{others} jobs of other users")
    return names, len(known)


class Hindrances:
    """Says what keeps a job from the devices even when no other runs."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = places
        self._said: dict[tuple[int, int | None], str] = {}

    def of(self, job: Pending) -> str:
        """Return the sentence for a job that could not run on what is open."""
        wish = job.devices, job.memory_bytes
        if wish not in self._said:
            self._said[wish] = self._sentence(job)
        return self._said[wish]

    def _sentence(self, job: Pending) -> str:
        count = len(self._places)
        if job.devices > count:
            return f"needs {_devices(job)}; this machine has {count or 'none'}"
        if len(self._closed) == count:
            return _all_closed(self._places)
        hindrances = "; ".join(self._each(job))
        if job.devices == 1:
            return f"{_need(job)}: {hindrances}"
        able = len(self._ceilings)
        if job.memory_bytes is not None:
            able -= bisect_left(self._ceilings, job.memory_bytes)
        does = _TAKE_JOBS if job.memory_bytes is None else _HAVE_THAT
        able_do = f"{able or 'none'} of {count} {does[min(able, 2)]}"
        return f"{_need(job)}: {able_do} ({hindrances})"

    def _each(self, job: Pending) -> Iterator[str]:
        """Yield the hindrances, those that can be lifted first; being too small is said last."""
        memory = job.memory_bytes
        found = list(islice(self._liftable(memory), _MOST_NAMED + 1))
        if found:
            yield from found[:_MOST_NAMED]
            if len(found) > _MOST_NAMED:
                yield "and others"
        elif memory is not None:
            large = bisect_left(self._by_size, 1 - memory, key=lambda place: -place.memory_bytes)
            small = size(self._by_size[large].memory_bytes)
            yield f"no {'other ' if large else ''}device has more than {small}"

    def _liftable(self, memory: int | None) -> Iterator[str]:
        def is_large(place: Place) -> bool:
            return memory is None or place.memory_bytes >= memory

        for place in takewhile(is_large, self._closed):
            yield f"{place.device} {place.closed}"
        for place in takewhile(is_large, self._partly_foreign):
            if not place.could_hold(memory):
                by = f": {named(place.foreign_names)}" if place.foreign_names else ""
                held = size(place.foreign_bytes, up=True)
                yield f"{held} held by others on {place.device}{by}"

    @cached_property
    def _ceilings(self) -> list[int]:
        return sorted(place.ceiling_bytes for place in self._places if place.could_hold(None))

    @cached_property
    def _by_size(self) -> list[Place]:
        return sorted(self._places, key=lambda place: -place.memory_bytes)

    @cached_property
    def _closed(self) -> list[Place]:
        return [place for place in self._by_size if place.closed]

    @cached_property
    def _partly_foreign(self) -> list[Place]:
        return [p for p in self._by_size if p.foreign_bytes and not p.closed]


def named(names: Sequence[str]) -> str:
    """Return `a`, `a and b`, `a, b and c`, or the first few and how many more."""
    if len(names) > _MOST_NAMED:
        return f"{', '.join(names[:_MOST_NAMED])} and {len(names) - _MOST_NAMED} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def size(count: int, *, up: bool = False) -> str:
    """Return bytes as `11 GiB`, `1.5 GiB` or `300 MiB`, rounded to a tenth.

    Args:
        up: round up, as for what is needed; what there is must not look more than it is
    """
    unit, name = (_GIB, "GiB") if count >= _GIB else (_MIB, "MiB")
    tenths = -(-count * 10 // unit) if up else count * 10 // unit
    return f"{tenths / 10:.1f}".removesuffix(".0") + f" {name}"


def _need(job: Pending) -> str:
    if job.memory_bytes is None or job.devices > 1:
        return f"needs {_devices(job)}"
    return f"needs {size(job.memory_bytes, up=True)}"


def _devices(job: Pending) -> str:
    if job.devices == 1:
        return "a device"
    if job.memory_bytes is None:
        return f"{job.devices} devices"
    return f"{job.devices} devices with {size(job.memory_bytes, up=True)} each"


def _all_closed(places: Sequence[Place]) -> str:
    reasons = {place.closed for place in places}
    if len(places) == 1:
        return f"{places[0].device} is {places[0].closed}"
    if len(reasons) > 1:
        reasons = {reason.split(":")[0].split()[0] for reason in reasons}
    return f"all {len(places)} devices are {' or '.join(sorted(reasons))}"


def _moment(moment: datetime) -> str:
    """Return a moment in UTC, its seconds where it has any."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%d %H:%M:%S} UTC" if utc.second else f"{utc:%Y-%m-%d %H:%M} UTC"
