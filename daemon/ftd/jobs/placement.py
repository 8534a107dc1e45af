"""What jobs ask for, what the devices have, and which job fits where.

Kept in sorted lists, so that no job of a long queue has to look at every device.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from ftd.devices.model import DeviceId
from ftd.jobs.model import JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A queued job as the policy sees it."""

    id: JobId
    number: int
    """Order of submission."""
    priority: int
    is_planned: bool
    waits_for: tuple[str, ...]
    """Names of the jobs of `after` that have not ended yet."""
    plan_needs: tuple[str, ...]
    """Names of the jobs whose result the plan needs and that have not ended yet."""
    devices: int
    """So many different ones, all at once."""
    memory_bytes: int | None
    """Needed of each device; None: it needs its devices for itself."""
    not_before: datetime | None
    user: str = ""
    """Whose it is: others' jobs are not named to him."""
    retry_time: datetime | None = None
    """Until when it waits after a failure; None: it does not."""
    retry_reason: str = ""
    """What is said of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A job on a device."""

    name: str
    memory_bytes: int | None
    """What it has declared; None: it has the device for itself."""
    user: str = ""
    """Whose it is."""
    job_id: JobId = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A device as the policy sees it."""

    device: DeviceId
    memory_bytes: int
    foreign_bytes: int
    """Held by processes that are no job's."""
    foreign_names: tuple[str, ...]
    closed: str
    """Empty: it takes jobs. Else why not: `drained: moving`, `unhealthy: XID 79`."""
    tenants: tuple[Tenant, ...]

    @property
    def ceiling_bytes(self) -> int:
        """What jobs could have of it if none ran."""
        return self.memory_bytes - self.foreign_bytes

    def could_hold(self, memory_bytes: int | None) -> bool:
        """Tell whether such a job could run on it if no other did.

        Nobody knows how much a job without a declaration needs: it gets a device of which others
        hold a part, but none of which they hold everything.
        """
        if self.closed:
            return False
        if memory_bytes is None:
            return not self.foreign_bytes or self.ceiling_bytes > 0
        return self.ceiling_bytes >= memory_bytes


_Ranked = list[tuple[int, int]]
"""Devices (their positions) by some figure, in ascending order."""


class Room:
    """What is still to be had in the course of one decision. It only ever shrinks.

    A device is *shut* once a job that waits has laid claim to it: nobody behind it gets there.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        opened = {i: place for i, place in enumerate(places) if place.could_hold(None)}
        self._ceilings = {i: place.ceiling_bytes for i, place in opened.items()}
        self._tenants = {i: len(place.tenants) for i, place in opened.items()}
        self._left = {i: left for i, place in opened.items() if (left := _left(place)) is not None}
        """Without those that a job has for itself."""
        offers = sorted((left, i) for i, left in self._left.items())
        self._shared: _Ranked = [offer for offer in offers if self._tenants[offer[1]]]
        """Devices with jobs that say their memory, by what is left."""
        self._empty: _Ranked = [offer for offer in offers if not self._tenants[offer[1]]]
        """Devices without a job, by what is left."""
        self._emptiest: _Ranked = sorted((-left, i) for left, i in self._empty)
        """The same, by what is left negated: the first is the emptiest."""
        self._by_tenants: _Ranked = []
        """Devices that are not shut, by the number of jobs on them; made for the first claim."""
        self._all_ceilings = sorted(self._ceilings.values())
        self._not_shut = list(self._all_ceilings)
        self._turned_away: dict[int, int] = {}
        """Devices asked for -> the least memory for which there was nothing, now or later."""
        self._alone_turned_away: int | None = None
        """The least number of devices, likewise, of a job that needs them for itself."""

    def could_ever_fit(self, job: Pending) -> bool:
        """Tell whether a job fits once the jobs that run have ended."""
        open_ = self._all_ceilings
        if job.devices > len(open_):
            return False
        return job.memory_bytes is None or open_[-job.devices] >= job.memory_bytes

    def is_turned_away(self, job: Pending) -> bool:
        """Tell at once that there is nothing for a job, as there was nothing for a lesser one."""
        if job.memory_bytes is None:
            least = self._alone_turned_away
            return least is not None and job.devices >= least
        memory = self._turned_away.get(job.devices)
        return memory is not None and job.memory_bytes >= memory

    def fitting(self, job: Pending) -> list[int]:
        """Return the best devices on which a job fits now: as many as it needs, or all there are.

        Memory is taken from empty devices first, of these from the smallest that will do; then
        from those with the most left: who came first shall have the most of a device's speed.
        """
        if job.memory_bytes is None:
            return [position for _, position in self._emptiest[: job.devices]]
        enough = (job.memory_bytes,)
        first = bisect_left(self._empty, enough)
        found = self._empty[first : first + job.devices]
        if (missing := job.devices - len(found)) > 0:
            first = max(bisect_left(self._shared, enough), len(self._shared) - missing)
            found += reversed(self._shared[first:])
        return [position for _, position in found]

    def take(self, positions: Iterable[int], memory_bytes: int | None) -> None:
        """Put a job on devices on which it fits."""
        for position in positions:
            self._withdraw(position)
            tenants = self._tenants[position]
            self._tenants[position] = tenants + 1
            if self._by_tenants:
                _remove(self._by_tenants, (tenants, position))
                insort(self._by_tenants, (tenants + 1, position))
            if memory_bytes is None:
                del self._left[position]
            else:
                self._left[position] -= memory_bytes
                insort(self._shared, (self._left[position], position))

    def reserve(self, job: Pending, fitting: Sequence[int]) -> list[int] | None:
        """Lay claim to the best devices for a job that does not fit now; return those it waits for.

        The best are those on which it fits, then those with the fewest jobs. Where it fits, its
        share is set aside and others may have the rest. Those it waits for are shut: else smaller
        jobs could for ever take what becomes free of them. None, and no claim, where too few are
        left that are not shut: some would stand idle without bringing its start nearer.
        """
        if self._count_not_shut(job.memory_bytes) < job.devices:
            self._turn_away(job)
            return None
        if not self._by_tenants:
            self._by_tenants = sorted((count, i) for i, count in self._tenants.items())
        fits = set(fitting)
        waited_for = list(
            islice(self._candidates(job.memory_bytes, but=fits), job.devices - len(fits))
        )
        if job.memory_bytes is not None:
            self.take(fitting, job.memory_bytes)
            self._shut(waited_for)
        else:
            self._shut([*fitting, *waited_for])
        return waited_for

    def left_bytes(self, position: int) -> int | None:
        """Return what is left of an open device; None where a job has it for itself."""
        return self._left.get(position)

    def _withdraw(self, position: int) -> None:
        """Offer nothing of a device."""
        if (left := self._left.get(position)) is None:
            return
        if self._tenants[position]:
            _remove(self._shared, (left, position))
        else:
            _remove(self._empty, (left, position))
            _remove(self._emptiest, (-left, position))

    def _shut(self, positions: Iterable[int]) -> None:
        for position in positions:
            self._withdraw(position)
            _remove(self._by_tenants, (self._tenants[position], position))
            del self._not_shut[bisect_left(self._not_shut, self._ceilings[position])]

    def _candidates(self, memory_bytes: int | None, *, but: set[int]) -> Iterable[int]:
        """Yield the devices that such a job could wait for, those with the fewest jobs first."""
        return (
            position
            for _, position in self._by_tenants
            if position not in but
            and (memory_bytes is None or self._ceilings[position] >= memory_bytes)
        )

    def _count_not_shut(self, memory_bytes: int | None) -> int:
        """Count the devices that such a job could wait for."""
        if memory_bytes is None:
            return len(self._not_shut)
        return len(self._not_shut) - bisect_left(self._not_shut, memory_bytes)

    def _turn_away(self, job: Pending) -> None:
        if job.memory_bytes is None:
            self._alone_turned_away = min(self._alone_turned_away or job.devices, job.devices)
        else:
            least = self._turned_away.get(job.devices, job.memory_bytes)
            self._turned_away[job.devices] = min(least, job.memory_bytes)


def _left(place: Place) -> int | None:
    """Return what is left of a device; None where a job has it for itself."""
    left = place.ceiling_bytes
    for tenant in place.tenants:
        if tenant.memory_bytes is None:
            return None
        left -= tenant.memory_bytes
    return left


def _remove(ranked: _Ranked, item: tuple[int, int]) -> None:
    del ranked[bisect_left(ranked, item)]
