"""Whether a job gets another attempt when one has ended, and when. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ftd.jobs.model import Outcome, OutcomeReason

LOST_TRIES = 5
"""Attempts in a row that may be lost or not even begin, without an epoch or a checkpoint."""
FACTOR = 4.0
MOST_S = 600.0

_Reason = OutcomeReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Mendable:
    """A failure that another start can mend."""

    first_s: float
    """How long to wait after the first one."""
    factor: float = FACTOR
    """Each further one is waited out so many times as long."""
    told: str
    """How a reason names it; `signal` is the number of the signal that ended the worker."""


MENDABLE: Mapping[OutcomeReason, Mendable] = {
    # Somebody's hand: nothing has to pass.
    _Reason.KILLED_BY_SIGNAL: Mendable(first_s=1.0, told="killed by signal {signal}"),
    _Reason.CRASHED: Mendable(first_s=1.0, told="crashed by signal {signal}"),
    # A network disk that hangs, a neighbour that needs much memory: that takes its time to pass.
    _Reason.STALLED: Mendable(first_s=5.0, told="stalled"),
    _Reason.HOST_OUT_OF_MEMORY: Mendable(first_s=5.0, told="memory ran out"),
    # Smaller batches mend it, not time.
    _Reason.OUT_OF_MEMORY: Mendable(first_s=1.0, factor=1.0, told="the device's memory ran out"),
}
"""All else would end the same way again, since a resumed run repeats itself."""


def backoff_s(reason: OutcomeReason, *, failures: int, retries: int) -> float | None:
    """Return for how long a job waits after a failure; None where it has failed for good.

    What it has achieved between two failures does not count: a job that fails now and then for
    days is as worth a look as one that fails at once.

    Args:
        reason: of the failure.
        failures: those before it that counted.
        retries: so many are followed by another start.
    """
    mendable = MENDABLE.get(reason)
    if mendable is None or failures >= retries:
        return None
    return min(mendable.first_s * mendable.factor**failures, MOST_S)


def backing_off(how: Outcome, until: datetime, *, failures: int, retries: int) -> str:
    """Return why a job waits after a failure, the latest of so many."""
    told = MENDABLE[how.reason].told.format(signal=how.signal or "unknown")
    return f"backing off until {until:%H:%M:%S} UTC after: {told} (retry {failures} of {retries})"


def waits(retry_time: datetime | None, now: datetime) -> bool:
    """Return whether a job still waits after a failure.

    No wait is longer than the longest: what looks so was reckoned before the clock was set back.
    """
    if retry_time is None:
        return False
    return now < retry_time <= now + timedelta(seconds=MOST_S)


def goes_on_after_loss(*, attempt: int, fruitful: int) -> bool:
    """Return whether a job that lost an attempt through no fault of its own gets another one.

    It does, whatever its `retries` say, as long as it gets on: a job that takes the machine down
    each time must not do so for ever.

    Args:
        attempt: number of the one that is lost.
        fruitful: number of the latest one that told an epoch or kept a checkpoint; 0: none.
    """
    return attempt - fruitful < LOST_TRIES


def lost_reason(attempt: int) -> str:
    """Return why a job waits whose attempt is lost."""
    return f"attempt {attempt} was lost: goes on from its last checkpoint"
