"""Which running jobs make room for one that waits and matters more. A pure function.

- Only a job that says so (`preemptible`) makes room, only for one of higher priority, and only once
  it has had its devices for `min_runtime`.
- A job is asked to go only where that lets the other one start: whether it does is decided by the
  same policy that will start it, with all that are asked off their devices.
- As few as will do are asked; of equally few those of the lowest priority, of these the youngest.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import combinations
from math import comb

from ftd.devices.model import DeviceId
from ftd.jobs import waiting
from ftd.jobs.model import JobId
from ftd.jobs.placement import Pending, Place, Room, Tenant
from ftd.jobs.policy import Decision, decide

_MOST_HELPED = 32
"""Jobs that room is made for at a time, the first that wait: the others come next."""
_MOST_TRIED = 1000
"""Sets of jobs that are tried for the smallest one; beyond, a small one will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A job that has devices, as the policy sees it."""

    id: JobId
    priority: int
    is_preemptible: bool
    min_runtime_s: float
    since: datetime | None
    """When it got its devices; None where it does not run yet."""
    is_leaving: bool = False
    """Whether its devices come back anyway: it was asked to go, or is being cancelled."""

    @property
    def ripe(self) -> datetime | None:
        """The moment from which on it may be asked to go."""
        return self.since and self.since + timedelta(seconds=self.min_runtime_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preemption:
    """Who makes room for whom."""

    asks: Mapping[JobId, JobId] = field(default_factory=dict)
    """Jobs that are to go, each with the one that it makes room for."""
    reasons: Mapping[JobId, str] = field(default_factory=dict)
    """Why those wait that room is being made for."""
    wake: datetime | None = None
    """When the next job may be asked to go that somebody waits for."""


def preempt(
    decision: Decision,
    queue: Iterable[Pending],
    places: Sequence[Place],
    holders: Sequence[Holder],
    now: datetime,
) -> Preemption:
    """Say which jobs make room, after what starts by itself.

    Args:
        decision: of `policy.decide` for this queue and these places
    """
    lowest = min((each.priority for each in holders if each.is_preemptible), default=None)
    if lowest is None:
        return Preemption()
    jobs = {job.id: job for job in queue}
    ready = [
        job
        for job in jobs.values()
        if job.priority > lowest and job.id not in decision.starts and not waiting.blocked(job, now)
    ]
    if not ready:
        return Preemption()
    ready.sort(key=lambda job: (-job.priority, job.number))
    taken = [_with(place, decision.starts, jobs) for place in places]
    return _Search(taken, ready[:_MOST_HELPED], holders, now).result()


class _Search:
    """Looks for those who make room, job by job."""

    def __init__(
        self,
        places: Sequence[Place],
        ready: Sequence[Pending],
        holders: Sequence[Holder],
        now: datetime,
    ) -> None:
        self._places = places
        self._ready = ready
        self._holders = holders
        self._now = now
        self._asks: dict[JobId, JobId] = {}
        self._leaving = {each.id for each in holders if each.is_leaving}
        self._in_vain: list[Pending] = []
        """Nobody can make room for these, and so for none that asks for as much behind them."""

    def result(self) -> Preemption:
        """Return who makes room for whom."""
        if not any(each.is_leaving or self._may_go(each) for each in self._holders):
            return Preemption(wake=self._wake(()))
        starts = self._starts(self._ready, self._gone())
        while (found := self._next(starts)) is not None:
            job, victims = found
            self._asks |= dict.fromkeys(victims, job.id)
            starts = self._starts(self._ready, self._gone())
        reasons = (
            (job.id, waiting.for_room(job, makers))
            for job in self._ready
            if (makers := list(self._makers(starts.get(job.id, ()))))
        )
        return Preemption(asks=self._asks, reasons=dict(reasons), wake=self._wake(starts))

    def _next(self, starts: Collection[JobId]) -> tuple[Pending, list[JobId]] | None:
        """Return the first job that others can make room for, with these."""
        for job in self._ready:
            if job.id in starts or any(_asks_as_much(job, other) for other in self._in_vain):
                continue
            if victims := self._victims(job, starts):
                return job, victims
            self._in_vain.append(job)
        return None

    def _victims(self, job: Pending, starts: Collection[JobId]) -> list[JobId]:
        """Return who makes room for a job; nobody, where that would not let it start."""
        before = self._ready[: self._ready.index(job) + 1]
        able = self._able(job)
        if not able:
            return []
        begun = self._starts(before, self._gone())
        others = {each.id: each for each in before}
        taken = [_with(place, begun, others) for place in self._places]
        chosen = _fewest(job, [_without(place, self._gone()) for place in taken], able)
        return chosen if job.id in self._starts(before, {*self._gone(), *chosen}) else []

    def _able(self, job: Pending) -> list[JobId]:
        """Return who may be asked to go for a job and helps it, the least of them first."""
        useful = {
            tenant.job_id
            for place in self._places
            if place.could_hold(job.memory_bytes)
            for tenant in place.tenants
        }
        able = [
            each
            for each in self._holders
            if self._may_go(each)
            and each.priority < job.priority
            and each.id in useful - self._gone()
        ]
        able.sort(key=lambda each: (each.priority, self._now - (each.since or self._now)))
        return [each.id for each in able]

    def _may_go(self, holder: Holder) -> bool:
        return holder.is_preemptible and holder.ripe is not None and holder.ripe <= self._now

    def _gone(self) -> set[JobId]:
        return self._leaving | self._asks.keys()

    def _starts(
        self, jobs: Sequence[Pending], gone: Collection[JobId]
    ) -> Mapping[JobId, tuple[DeviceId, ...]]:
        """Return which jobs would start where once some are gone."""
        places = [_without(place, gone) for place in self._places]
        return decide(jobs, places, self._now).starts

    def _makers(self, devices: Collection[DeviceId]) -> Iterator[Tenant]:
        gone = self._gone()
        for place in self._places:
            if place.device in devices:
                yield from (tenant for tenant in place.tenants if tenant.job_id in gone)

    def _wake(self, starts: Collection[JobId]) -> datetime | None:
        waits = [job.priority for job in self._ready if job.id not in starts]
        ahead = (
            each.ripe
            for each in self._holders
            if each.is_preemptible
            and not each.is_leaving
            and each.ripe is not None
            and each.ripe > self._now
            and each.priority < max(waits, default=each.priority)
        )
        return min(ahead, default=None)


def _fewest(job: Pending, places: Sequence[Place], able: Sequence[JobId]) -> list[JobId]:
    """Return the fewest jobs without which another one fits; of equally few the first in order."""
    if not _fits(job, places, able):
        return []
    tried = 0
    for size in range(1, len(able) + 1):
        tried += comb(len(able), size)
        if tried > _MOST_TRIED:
            break
        for chosen in sorted(combinations(range(len(able)), size), key=lambda each: each[::-1]):
            if _fits(job, places, named := [able[position] for position in chosen]):
                return named
    chosen_ids = list(able)
    for job_id in reversed(able):  # the dearest is let stay first
        if _fits(job, places, fewer := [each for each in chosen_ids if each != job_id]):
            chosen_ids = fewer
    return chosen_ids


def _fits(job: Pending, places: Sequence[Place], gone: Collection[JobId]) -> bool:
    room = Room([_without(place, gone) for place in places])
    return len(room.fitting(job)) == job.devices


def _asks_as_much(job: Pending, other: Pending) -> bool:
    """Tell whether nobody can make room for a job where nobody could for one before it."""
    if job.devices < other.devices:
        return False
    if job.memory_bytes is None or other.memory_bytes is None:
        return job.memory_bytes is other.memory_bytes
    return job.memory_bytes >= other.memory_bytes


def _without(place: Place, gone: Collection[JobId]) -> Place:
    kept = tuple(tenant for tenant in place.tenants if tenant.job_id not in gone)
    return place if len(kept) == len(place.tenants) else replace(place, tenants=kept)


def _with(
    place: Place, starts: Mapping[JobId, Collection[DeviceId]], jobs: Mapping[JobId, Pending]
) -> Place:
    come = tuple(
        Tenant(name="", job_id=job_id, memory_bytes=jobs[job_id].memory_bytes)
        for job_id, devices in starts.items()
        if place.device in devices
    )
    return replace(place, tenants=place.tenants + come) if come else place
