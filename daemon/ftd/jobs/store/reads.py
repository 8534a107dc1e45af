"""What is asked of the store."""

import base64
import binascii
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    TextClause,
    and_,
    func,
    literal,
    select,
    union,
)

from ftd.errors import InvalidPageToken
from ftd.jobs.model import TERMINAL, Attempt, Event, EventKind, Job, JobId, JobState
from ftd.jobs.store.rows import attempt_from, event_from, job_from
from ftd.jobs.store.tables import ATTEMPTS, DOCUMENTS, DRAINS, EVENTS, IS_EPOCH, IS_EVALUATION, JOBS


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which jobs to list: those that meet all that is said."""

    states: Sequence[JobState] = ()
    name: str = ""
    """A pattern: `*` is any text, `?` any character."""
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A short text that differs from that of other filters."""
        states = sorted({state.value for state in self.states})
        said = [states, self.name, self.user, sorted(self.labels.items())]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


ALL = Filter()
# A page ends early where its jobs say much: a reply must fit a message of 4 MiB.
PAGE_BYTES = 2 * 2**20
_LARGEST = 2**63 - 1  # that SQLite can compare with


def job_by_id(connection: Connection, job_id: JobId) -> Job:
    """Return a job that is there, whole."""
    row = connection.execute(_jobs().where(JOBS.c.id == job_id)).one()
    return _whole(connection, [row])[0]


def unfinished_jobs(connection: Connection) -> list[Job]:
    """Return all jobs that have not ended, whole, in order of submission."""
    ended = [state.value for state in TERMINAL]
    rows = connection.execute(_jobs().where(JOBS.c.state.not_in(ended)).order_by(JOBS.c.number))
    return _whole(connection, rows.all())


def job_page(
    connection: Connection,
    page_size: int,
    page_token: str,
    wanted: Filter,
    only_of: str | None,
) -> tuple[list[Job], str]:
    """Return a page of jobs, latest first, and the token of the next one.

    A job comes without its plan and its evaluations, and with its best and last epoch only.

    Raises:
        InvalidPageToken: for a token that is not of this listing.
    """
    query = _jobs(plans=False).order_by(JOBS.c.number.desc()).limit(page_size + 1)
    query = query.where(*_conditions(wanted))
    if only_of is not None:
        query = query.where(JOBS.c.user == only_of)
    if page_token:
        query = query.where(JOBS.c.number < _position(page_token, wanted.digest))
    rows = connection.execute(query).all()
    count = _fitting([_size(row) for row in rows[:page_size]])
    epochs = _telling_epochs(connection, [row.id for row in rows[:count]])
    jobs = [job_from(row, epochs=epochs.get(row.id, ())) for row in rows[:count]]
    return jobs, _token(jobs[-1].number, wanted.digest) if count < len(rows) else ""


def events_after(connection: Connection, job_id: JobId, sequence: int, limit: int) -> list[Event]:
    """Return at most `limit` events of a job behind a sequence number, in order."""
    query = (
        select(EVENTS)
        .where(EVENTS.c.job_id == job_id, EVENTS.c.sequence > sequence)
        .order_by(EVENTS.c.sequence)
        .limit(limit)
    )
    return [event_from(row) for row in connection.execute(query)]


def attempts_of(connection: Connection, job_ids: Sequence[JobId]) -> list[Attempt]:
    """Return all attempts of some jobs, each job's in order."""
    query = select(ATTEMPTS).where(ATTEMPTS.c.job_id.in_(job_ids))
    rows = connection.execute(query.order_by(ATTEMPTS.c.job_id, ATTEMPTS.c.number))
    return [attempt_from(row) for row in rows]


def fruitful_attempt(connection: Connection, job_id: JobId) -> int:
    """Return the number of a job's latest attempt that told an epoch or a checkpoint; 0: none."""
    kinds = [EventKind.EPOCH.value, EventKind.CHECKPOINT.value]
    query = select(func.max(EVENTS.c.attempt))
    found = query.where(EVENTS.c.job_id == job_id, EVENTS.c.kind.in_(kinds))
    return connection.scalar(found) or 0


def pause_times(connection: Connection, job_ids: Sequence[JobId]) -> dict[JobId, datetime]:
    """Return when jobs that are paused came to be so."""
    found = {}
    for job_id in job_ids:
        told = (EVENTS.c.job_id == job_id) & (EVENTS.c.kind == EventKind.STATE.value)
        latest = select(EVENTS.c.time).where(told).order_by(EVENTS.c.sequence.desc()).limit(1)
        found[job_id] = connection.execute(latest).scalar_one()
    return found


def owners(connection: Connection, job_ids: Sequence[JobId]) -> dict[JobId, str]:
    """Return whose some jobs are."""
    query = select(JOBS.c.id, JOBS.c.user).where(JOBS.c.id.in_(job_ids))
    return {row.id: row.user for row in connection.execute(query)}


def count_ended(connection: Connection) -> dict[JobState, int]:
    """Return how many jobs have ended in each terminal state."""
    ended = [state.value for state in TERMINAL]
    query = select(JOBS.c.state, func.count()).where(JOBS.c.state.in_(ended))
    rows = connection.execute(query.group_by(JOBS.c.state))
    return {JobState(state): count for state, count in rows}


def drains(connection: Connection) -> dict[str, str]:
    """Return why each drained device is drained, by uuid."""
    return {row.uuid: row.reason for row in connection.execute(select(DRAINS))}


def _jobs(*, plans: bool = True) -> Select[Any]:
    plan = DOCUMENTS.c.plan_json if plans else literal("").label("plan_json")
    return select(JOBS, DOCUMENTS.c.recipe_json, plan).join(
        DOCUMENTS, DOCUMENTS.c.job_id == JOBS.c.id
    )


def _whole(connection: Connection, rows: Sequence[Row[Any]]) -> list[Job]:
    ids = [row.id for row in rows]
    epochs = _told(connection, IS_EPOCH, ids)
    evaluations = _told(connection, IS_EVALUATION, ids)
    return [job_from(row, epochs=epochs[row.id], evaluations=evaluations[row.id]) for row in rows]


def _told(
    connection: Connection, kind: TextClause, job_ids: Sequence[JobId]
) -> Mapping[JobId, list[Mapping[str, Any]]]:
    query = (
        select(EVENTS.c.job_id, EVENTS.c.body)
        .where(kind, EVENTS.c.job_id.in_(job_ids))
        .order_by(EVENTS.c.job_id, EVENTS.c.sequence)
    )
    return _bodies(connection, query)


def _bodies(connection: Connection, query: Select[Any]) -> Mapping[JobId, list[Mapping[str, Any]]]:
    bodies: dict[JobId, list[Mapping[str, Any]]] = defaultdict(list)
    for row in connection.execute(query):
        bodies[row.job_id].append(json.loads(row.body))
    return bodies


def _telling_epochs(
    connection: Connection, job_ids: Sequence[JobId]
) -> Mapping[JobId, list[Mapping[str, Any]]]:
    """Return of each job the best epoch and the last, in order; one where they are the same."""
    is_best = func.json_extract(EVENTS.c.body, "$.best").is_(True)
    chosen = [
        select(EVENTS.c.job_id, func.max(EVENTS.c.sequence).label("sequence"))
        .where(IS_EPOCH, EVENTS.c.job_id.in_(job_ids), *conditions)
        .group_by(EVENTS.c.job_id)
        for conditions in ([], [is_best])
    ]
    places = union(*chosen).subquery()
    query = (
        select(EVENTS.c.job_id, EVENTS.c.body)
        .join(
            places,
            and_(EVENTS.c.job_id == places.c.job_id, EVENTS.c.sequence == places.c.sequence),
        )
        .order_by(EVENTS.c.job_id, EVENTS.c.sequence)
    )
    return _bodies(connection, query)


def _size(row: Row[Any]) -> int:
    return sum(len(value.encode()) for value in row if isinstance(value, str))


def _fitting(sizes: Sequence[int]) -> int:
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if count and total > PAGE_BYTES:
            return count
    return len(sizes)


def _conditions(wanted: Filter) -> Iterator[ColumnElement[bool]]:
    if wanted.states:
        yield JOBS.c.state.in_([state.value for state in wanted.states])
    if wanted.name:
        # GLOB has one more special character than our patterns.
        yield JOBS.c.name.op("GLOB", is_comparison=True)(wanted.name.replace("[", "[[]"))
    if wanted.user:
        yield JOBS.c.user == wanted.user
    if wanted.labels:
        yield _has_labels(wanted.labels)


def _has_labels(labels: Mapping[str, str]) -> ColumnElement[bool]:
    """Match jobs that have all of some labels: one statement, however many these are.

    SQLAlchemy keeps what it has compiled of each statement.
    """
    # Looked up in its entries: a key may hold any character, which a JSON path may not.
    asked = func.json_each(json.dumps(dict(labels))).table_valued("key", "value", name="asked")
    entry = func.json_each(JOBS.c.labels).table_valued("key", "value", name="entry")
    found = select(literal(1)).select_from(entry).correlate(asked, JOBS)
    is_there = found.where(entry.c.key == asked.c.key, entry.c.value == asked.c.value).exists()
    return ~select(literal(1)).select_from(asked).correlate(JOBS).where(~is_there).exists()


def _token(number: int, listing: str) -> str:
    text = json.dumps({"before": number, "of": listing})
    return base64.urlsafe_b64encode(text.encode()).decode()


def _position(token: str, listing: str) -> int:
    try:
        body = json.loads(base64.urlsafe_b64decode(token))
        number, given = body["before"], body["of"]
        if not isinstance(number, int) or not 0 < number <= _LARGEST:
            raise ValueError
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise InvalidPageToken(
            "this page token was not given by ListJobs; begin again without one"
        ) from None
    if given != listing:
        raise InvalidPageToken(
            "this page token is of another listing; keep all filters from page to page"
        )
    return number
