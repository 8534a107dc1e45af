"""What is written to the store: a new job, and what happened to one."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from ftd.errors import (
    AmbiguousJobId,
    DatasetNotFound,
    InvalidJob,
    JobNotFound,
    NameTaken,
    QueueFull,
    RequestIdReused,
)
from ftd.jobs.callers import Caller
from ftd.jobs.history import model_with, numbered, state_event
from ftd.jobs.model import (
    TERMINAL,
    Attempt,
    DatasetUse,
    Event,
    Job,
    JobId,
    JobRequest,
    JobState,
    NewEvent,
)
from ftd.jobs.references import field as named_in
from ftd.jobs.store import datasets, names
from ftd.jobs.store.reads import job_by_id
from ftd.jobs.store.rows import attempt_row, changing, digest_of, event_row, new_row
from ftd.jobs.store.tables import ATTEMPTS, DOCUMENTS, DRAINS, EVENTS, IS_UNFINISHED, JOBS
from fttrain.spec.faults import Fault

FIRST_REASON = "plan pending"
NO_LIMIT = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """How many jobs may wait."""

    all: int = NO_LIMIT
    per_user: int = NO_LIMIT


class StaleJob(Exception):
    """An append to a job that has moved on since it was read: a bug of ours."""


def submit(
    connection: Connection,
    request: JobRequest,
    *,
    request_id: str,
    now: datetime,
    references: Mapping[str, str],
    dataset: str | None,
    caller: Caller,
    limits: QueueLimits,
) -> tuple[Job, list[Event]]:
    """Insert a new job and its first event, or return the one that this request id made."""
    request_digest = digest_of(request)
    earlier = _earlier(connection, request_id, request_digest, caller)
    if earlier:
        return earlier, []
    _refuse_full_queue(connection, limits, caller)
    job = _new_job(
        connection, request, now=now, references=references, dataset=dataset, caller=caller
    )
    _refuse_taken_name(connection, job.name, caller)
    row = new_row(job, request_id=request_id, request_digest=request_digest)
    number = connection.scalar(insert(JOBS).returning(JOBS.c.number), row)
    documents = {"job_id": job.id, "recipe_json": request.recipe_json, "plan_json": ""}
    connection.execute(insert(DOCUMENTS), documents)
    return append(connection, replace(job, number=number), [state_event(job, now=now)], None)


def append(
    connection: Connection, job: Job, events: Sequence[NewEvent], attempt: Attempt | None
) -> tuple[Job, list[Event]]:
    """Write a job as it stands now, its new events and its attempt."""
    stored = numbered(job, events)
    moved_on = model_with(job, stored)
    same = (JOBS.c.id == job.id) & (JOBS.c.last_sequence == job.last_sequence)
    if not connection.execute(update(JOBS).where(same).values(changing(moved_on))).rowcount:
        raise StaleJob(f"{job.id} has other events than the {job.last_sequence} it was read with")
    other_plan = (DOCUMENTS.c.job_id == job.id) & (DOCUMENTS.c.plan_json != moved_on.plan_json)
    connection.execute(update(DOCUMENTS).where(other_plan).values(plan_json=moved_on.plan_json))
    if stored:
        connection.execute(insert(EVENTS), [event_row(event) for event in stored])
    if attempt:
        values = attempt_row(attempt)
        statement = upsert(ATTEMPTS).values(values)
        connection.execute(
            statement.on_conflict_do_update(index_elements=["job_id", "number"], set_=values)
        )
    return moved_on, stored


def end_attempts(connection: Connection, job_id: JobId, now: datetime) -> None:
    """Note that a job's attempts hold no devices any more."""
    open_ones = (ATTEMPTS.c.job_id == job_id) & ATTEMPTS.c.end_time.is_(None)
    connection.execute(update(ATTEMPTS).where(open_ones).values(end_time=now))


def end_attempts_of_ended_jobs(connection: Connection) -> None:
    """Note it of those whose daemon ended right before it could."""
    ended = [state.value for state in TERMINAL]
    end_time = (
        select(JOBS.c.end_time)
        .where(JOBS.c.id == ATTEMPTS.c.job_id, JOBS.c.state.in_(ended))
        .scalar_subquery()
    )
    open_ones = ATTEMPTS.c.end_time.is_(None)
    connection.execute(update(ATTEMPTS).where(open_ones).values(end_time=end_time))


def drain(connection: Connection, uuid: str, reason: str, now: datetime) -> None:
    """Note that a device is drained; a new reason replaces the old one."""
    values = {"uuid": uuid, "reason": reason, "time": now}
    statement = upsert(DRAINS).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["uuid"], set_=values))


def resume(connection: Connection, uuid: str) -> None:
    """Note that a device is not drained."""
    connection.execute(delete(DRAINS).where(DRAINS.c.uuid == uuid))


def _refuse_full_queue(connection: Connection, limits: QueueLimits, caller: Caller) -> None:
    is_queued = JOBS.c.state == JobState.QUEUED.value
    query = select(func.count()).select_from(JOBS).where(IS_UNFINISHED, is_queued)
    queued = connection.scalar(query) or 0
    if queued >= limits.all:
        raise QueueFull(
            f"the queue is full: {queued} jobs wait, the daemon takes at most {limits.all} "
            "(--queue-limit); submit again when some have started"
        )
    if limits.per_user == NO_LIMIT:
        return
    his = connection.scalar(query.where(JOBS.c.user == caller.user)) or 0
    if his >= limits.per_user:
        raise QueueFull(
            f"{his} jobs of user {caller.user} wait, the daemon takes at most {limits.per_user} "
            "of each (--queue-limit-per-user); submit again when some have started"
        )


def _earlier(
    connection: Connection, request_id: str, request_digest: str, caller: Caller
) -> Job | None:
    if not request_id:
        return None
    query = select(JOBS.c.id, JOBS.c.user, JOBS.c.request_digest).where(
        JOBS.c.request_id == request_id
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    if row.user != caller.user:  # who says no more: it is not his
        raise RequestIdReused(
            f"request id `{request_id}` came with another job before; use a new id for a new job"
        )
    if row.request_digest != request_digest:
        raise RequestIdReused(
            f"request id `{request_id}` came with another job before, {row.id}; "
            "use a new id for a new job"
        )
    return job_by_id(connection, row.id)


def _new_job(
    connection: Connection,
    request: JobRequest,
    *,
    now: datetime,
    references: Mapping[str, str],
    dataset: str | None,
    caller: Caller,
) -> Job:
    job_id = uuid.uuid4().hex
    faults: list[Fault] = []
    after = {
        ref: _resolve(connection, ref, f"after[{position}]", caller, faults)
        for position, ref in enumerate(request.after)
    }
    weights = {
        text: _resolve(connection, ref, named_in(text), caller, faults)
        for text, ref in references.items()
    }
    used = _dataset_use(connection, dataset, caller, faults)
    if faults:
        raise InvalidJob(faults)
    return Job(
        id=job_id,
        number=0,
        request=replace(request, name=request.name or job_id[:8]),
        after_ids=tuple(dict.fromkeys(after.values())),
        references=weights,
        datasets=used,
        user=caller.user,
        state=JobState.QUEUED,
        reason=FIRST_REASON,
        create_time=now,
    )


def _resolve(
    connection: Connection, ref: str, field: str, caller: Caller, faults: list[Fault]
) -> JobId:
    try:
        return names.find(connection, ref, caller.only_of)
    except (JobNotFound, AmbiguousJobId) as error:
        faults.append(Fault(field=field, description=str(error)))
        return ""


def _dataset_use(
    connection: Connection, ref: str | None, caller: Caller, faults: list[Fault]
) -> tuple[DatasetUse, ...]:
    if ref is None:
        return ()
    try:
        return (datasets.use(connection, ref, caller),)
    except DatasetNotFound as error:
        faults.append(Fault(field=datasets.FIELD, description=str(error)))
        return ()


def _refuse_taken_name(connection: Connection, name: str, caller: Caller) -> None:
    ended = [state.value for state in TERMINAL]
    query = select(JOBS.c.id, JOBS.c.state, JOBS.c.user).where(
        JOBS.c.name == name, JOBS.c.state.not_in(ended)
    )
    row = connection.execute(query).one_or_none()
    if row is not None and caller.only_of not in (None, row.user):
        raise NameTaken(
            f"the name `{name}` belongs to another user's job that has not ended; all users "
            "share the names, so give this one another"
        )
    if row is not None:
        raise NameTaken(
            f"the name `{name}` belongs to job {row.id}, which is {row.state}; "
            "give this one another name, or cancel that one"
        )
