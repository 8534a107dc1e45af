"""What each user has of the machine, and had."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    Table,
    case,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects.sqlite import insert

from ftd.jobs.model import TERMINAL, JobId, JobState, UserUsage
from ftd.jobs.store.tables import ATTEMPTS, JOBS, PAST_USAGE, UtcTime

_WAITING = (JobState.QUEUED, JobState.PAUSED)
_MICROSECONDS = 1_000_000


def by_user(connection: Connection, now: datetime, only_of: str | None) -> list[UserUsage]:
    """Return the usage of every user who has or had a job, by name; of one alone if asked."""
    found = {row.user: _past(row) for row in connection.execute(_of(_PAST, PAST_USAGE, only_of))}
    for row in connection.execute(_counts(only_of)):
        found[row.user] = _with_counts(found.get(row.user, UserUsage(user=row.user)), row)
    for row in connection.execute(_of(_held(now), JOBS, only_of)):
        usage = found[row.user]
        seconds = usage.device_seconds + (row.seconds or 0.0)
        found[row.user] = replace(usage, device_seconds=seconds)
    return [found[user] for user in sorted(found)]


def keep(connection: Connection, job_id: JobId) -> None:
    """Add what an ended job has had, which is about to be deleted, to its user's account."""
    row = connection.execute(select(JOBS.c.user, JOBS.c.end_time).where(JOBS.c.id == job_id)).one()
    seconds = _held(row.end_time).where(JOBS.c.id == job_id)
    held = connection.execute(seconds).one_or_none()
    values = {"user": row.user, "ended": 1, "device_seconds": held.seconds if held else 0.0}
    statement = insert(PAST_USAGE).values(values)
    more = {name: PAST_USAGE.c[name] + values[name] for name in ("ended", "device_seconds")}
    connection.execute(statement.on_conflict_do_update(index_elements=["user"], set_=more))


_PAST = select(PAST_USAGE)


def _counts(only_of: str | None) -> Select[Any]:
    query = select(
        JOBS.c.user,
        _count(JOBS.c.state.in_([state.value for state in _WAITING])).label("queued"),
        _count(JOBS.c.state.in_([state.value for state in TERMINAL])).label("ended"),
        func.count().label("jobs"),
    )
    return _of(query, JOBS, only_of).group_by(JOBS.c.user)


def _held(now: datetime) -> Select[Any]:
    """Ask for the seconds that each user's attempts have held devices, times their number."""
    # As the numbers that they are stored as: moments are not subtracted in SQL.
    end = type_coerce(func.coalesce(ATTEMPTS.c.end_time, literal(now, UtcTime)), Integer)
    seconds = func.max(end - type_coerce(ATTEMPTS.c.start_time, Integer), 0)
    held = seconds * func.json_array_length(ATTEMPTS.c.devices)
    query = select(JOBS.c.user, (func.sum(held) / float(_MICROSECONDS)).label("seconds"))
    query = query.select_from(ATTEMPTS).join(JOBS, JOBS.c.id == ATTEMPTS.c.job_id)
    return query.group_by(JOBS.c.user)


def _of(query: Select[Any], table: Table, only_of: str | None) -> Select[Any]:
    return query if only_of is None else query.where(table.c.user == only_of)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _past(row: Row[Any]) -> UserUsage:
    return UserUsage(user=row.user, ended=row.ended, device_seconds=row.device_seconds)


def _with_counts(past: UserUsage, row: Row[Any]) -> UserUsage:
    running = row.jobs - row.queued - row.ended
    return replace(past, queued=row.queued, running=running, ended=past.ended + row.ended)
