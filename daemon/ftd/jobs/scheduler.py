"""Which job starts next, and why the others wait. A pure function of what is given."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ftd.jobs.model import JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A queued job as the scheduler sees it."""

    id: JobId
    number: int
    """Order of submission."""
    priority: int
    is_planned: bool
    waits_for: tuple[str, ...]
    """Names of the jobs of `after` that have not ended yet."""
    plan_needs: tuple[str, ...]
    """Names of the jobs whose result the plan needs and that have not ended yet."""
    devices: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A device and the name of the job that holds it; None: free."""

    device: str
    job: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do now."""

    starts: Mapping[JobId, tuple[str, ...]]
    """Jobs to start, each with its devices."""
    reasons: Mapping[JobId, str]
    """Why each job that does not start waits."""


def decide(queue: Iterable[Pending], devices: Sequence[Holding]) -> Decision:
    """Start what can start: highest priority first, then in order of submission.

    A job that waits for its plan or for another job holds nobody up.
    """
    free = [holding.device for holding in devices if holding.job is None]
    holders = sorted({holding.job for holding in devices if holding.job is not None})
    starts: dict[JobId, tuple[str, ...]] = {}
    reasons: dict[JobId, str] = {}
    first_ready: Pending | None = None
    for job in sorted(queue, key=lambda pending: (-pending.priority, pending.number)):
        if blocked := _blocked(job):
            reasons[job.id] = blocked
        elif first_ready is None and len(free) >= job.devices:
            starts[job.id] = tuple(free[: job.devices])
            del free[: job.devices]
        else:
            # Nobody overtakes a ready job that finds no device: it would wait for ever.
            first_ready = first_ready or job
            reasons[job.id] = _waits_for_device(holders)
    return Decision(starts=starts, reasons=reasons)


def _blocked(job: Pending) -> str:
    if not job.is_planned:
        if job.plan_needs:
            return f"plan waits for {', '.join(job.plan_needs)}"
        return "plan pending"
    if job.waits_for:
        return f"waits for {', '.join(job.waits_for)}"
    return ""


def _waits_for_device(holders: list[str]) -> str:
    if not holders:
        return "waits for a device"
    return f"waits for a device: {', '.join(holders)} runs"
