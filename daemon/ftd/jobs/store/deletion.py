"""Forgetting a job."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, or_, select

from ftd.errors import JobInUse, JobNotEnded, JobNotFound
from ftd.jobs.model import TERMINAL, JobId, JobState
from ftd.jobs.store import usage
from ftd.jobs.store.tables import ATTEMPTS, DOCUMENTS, EVENTS, IS_UNFINISHED, JOBS


def delete_job(connection: Connection, job_id: JobId, only_of: str | None) -> None:
    """Delete a job that has ended and that no unfinished job needs."""
    row = connection.execute(
        select(JOBS.c.name, JOBS.c.state).where(JOBS.c.id == job_id)
    ).one_or_none()
    if row is None:
        raise JobNotFound(f"job {job_id} is deleted already")
    if JobState(row.state) not in TERMINAL:
        raise JobNotEnded(
            f"job {row.name} is {row.state}; cancel it first (`ftctl cancel {row.name}`), or wait "
            "until it has ended"
        )
    _refuse_needed(connection, job_id, row.name, only_of)
    usage.keep(connection, job_id)
    for table in (EVENTS, ATTEMPTS, DOCUMENTS):
        connection.execute(delete(table).where(table.c.job_id == job_id))
    connection.execute(delete(JOBS).where(JOBS.c.id == job_id))


def needing(connection: Connection, job_id: JobId) -> Sequence[Any]:
    """Return the names and users of the unfinished jobs that need one, in order of submission."""
    # Both columns are JSON texts that hold ids, which are found in nothing else there.
    names_it = or_(JOBS.c.after_ids.contains(job_id), JOBS.c.refs.contains(job_id))
    query = select(JOBS.c.name, JOBS.c.user).where(IS_UNFINISHED, names_it)
    return connection.execute(query.order_by(JOBS.c.number)).all()


def _refuse_needed(connection: Connection, job_id: JobId, name: str, only_of: str | None) -> None:
    found = needing(connection, job_id)
    if not found:
        return
    told = [row.name for row in found if only_of in (None, row.user)]
    many = ", ".join(told) or "another user's job"
    raise JobInUse(
        f"job {name} is needed by {many}, which has not ended; delete it when that has ended"
    )
