"""What a user may call a job: its id, its name (the latest that bore it), or the id's beginning."""

import re

from sqlalchemy import ColumnElement, Connection, func, select, true

from ftd.errors import AmbiguousJobId, JobNotFound
from ftd.jobs.model import JobId
from ftd.jobs.store.tables import JOBS
from fttrain.spec.nearest import near

SHORTEST_PREFIX = 4
_NEAREST_AMONG = 1000
_SHOWN = 5


def find(connection: Connection, ref: str, only_of: str | None = None) -> JobId:
    """Return the id of the job that a user means.

    Args:
        only_of: the user whose jobs alone are there; None: all jobs are.

    Raises:
        JobNotFound: naming the nearest names.
        AmbiguousJobId: naming the candidates.
    """
    his = _of(only_of)
    by_id = select(JOBS.c.id).where(JOBS.c.id == ref, his)
    named = select(JOBS.c.id).where(JOBS.c.name == ref, his)
    by_name = named.order_by(JOBS.c.number.desc()).limit(1)
    for query in (by_id, by_name):
        job_id = connection.scalar(query)
        if job_id is not None:
            return str(job_id)
    return _by_prefix(connection, ref, his)


def _of(user: str | None) -> ColumnElement[bool]:
    return true() if user is None else JOBS.c.user == user


def _by_prefix(connection: Connection, ref: str, his: ColumnElement[bool]) -> JobId:
    if not re.fullmatch(f"[0-9a-f]{{{SHORTEST_PREFIX},32}}", ref):
        raise _not_found(connection, ref, his)
    begins = (JOBS.c.id >= ref) & (JOBS.c.id < f"{ref}g") & his
    found = connection.execute(
        select(JOBS.c.id, JOBS.c.name).where(begins).order_by(JOBS.c.number.desc()).limit(_SHOWN)
    ).all()
    if not found:
        raise _not_found(connection, ref, his)
    if len(found) > 1:
        count = connection.scalar(select(func.count()).select_from(JOBS).where(begins))
        shown = ", ".join(f"{row.id} ({row.name})" for row in found)
        more = ", ..." if count and count > len(found) else ""
        raise AmbiguousJobId(
            f"`{ref}` begins the ids of {count} jobs: {shown}{more}; say more of it"
        )
    return str(found[0].id)


def _not_found(connection: Connection, ref: str, his: ColumnElement[bool]) -> JobNotFound:
    latest = func.max(JOBS.c.number)
    query = select(JOBS.c.name).where(his).group_by(JOBS.c.name).order_by(latest.desc())
    names = connection.scalars(query.limit(_NEAREST_AMONG)).all()
    if found := near(ref, names, most=3):
        hint = f"did you mean {' or '.join(f'`{name}`' for name in found)}?"
    elif re.fullmatch(r"[0-9a-f]{1,3}", ref):
        hint = f"an id needs at least {SHORTEST_PREFIX} of its characters"
    else:
        hint = "`ftctl list` shows the names and ids of all"
    return JobNotFound(f"no job has the name or id `{ref}`; {hint}")
