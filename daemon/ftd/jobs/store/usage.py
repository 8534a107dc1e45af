"""What each user has of the machine, and had."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    case,
    func,
    literal,
    select,
    type_coerce,
)

from ftd.jobs.model import TERMINAL, JobState, UserUsage
from ftd.jobs.store.tables import ATTEMPTS, JOBS, UtcTime

_WAITING = (JobState.QUEUED, JobState.PAUSED)
_MICROSECONDS = 1_000_000


def by_user(connection: Connection, now: datetime, only_of: str | None) -> list[UserUsage]:
    """Return the usage of every user who has a job, by name; of one alone where that is asked."""
    seconds = {row.user: row.seconds or 0.0 for row in connection.execute(_held(now, only_of))}
    counts = connection.execute(_counts(only_of)).all()
    return [_usage(row, seconds.get(row.user, 0.0)) for row in counts]


def _counts(only_of: str | None) -> Select[Any]:
    query = select(
        JOBS.c.user,
        _count(JOBS.c.state.in_([state.value for state in _WAITING])).label("queued"),
        _count(JOBS.c.state.in_([state.value for state in TERMINAL])).label("ended"),
        func.count().label("jobs"),
    )
    return _of(query, only_of).group_by(JOBS.c.user).order_by(JOBS.c.user)


def _held(now: datetime, only_of: str | None) -> Select[Any]:
    """Ask for the seconds that each user's attempts have held devices, times their number."""
    # As the numbers that they are stored as: moments are not subtracted in SQL.
    end = type_coerce(func.coalesce(ATTEMPTS.c.end_time, literal(now, UtcTime)), Integer)
    seconds = func.max(end - type_coerce(ATTEMPTS.c.start_time, Integer), 0)
    held = seconds * func.json_array_length(ATTEMPTS.c.devices)
    query = select(JOBS.c.user, (func.sum(held) / float(_MICROSECONDS)).label("seconds"))
    query = query.select_from(ATTEMPTS).join(JOBS, JOBS.c.id == ATTEMPTS.c.job_id)
    return _of(query, only_of).group_by(JOBS.c.user)


def _of(query: Select[Any], only_of: str | None) -> Select[Any]:
    return query if only_of is None else query.where(JOBS.c.user == only_of)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _usage(row: Row[Any], device_seconds: float) -> UserUsage:
    return UserUsage(
        user=row.user,
        queued=row.queued,
        running=row.jobs - row.queued - row.ended,
        ended=row.ended,
        device_seconds=device_seconds,
    )
