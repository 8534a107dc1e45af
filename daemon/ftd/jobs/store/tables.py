"""The tables of the store, as the newest migration leaves them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, Float, Index, Integer, MetaData, String, Table, Text, text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

# The newest migration. A test holds it against the folder, so that opening a store of this
# version needs no Alembic, which costs 10 MB.
HEAD = "0008"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC, stored exactly as microseconds since 1970."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return the microseconds of an aware datetime."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Return the moment of a number of microseconds."""
        return None if value is None else _EPOCH + value * _MICROSECOND


METADATA = MetaData()

# What changes with every event is kept small: SQLite writes a row as a whole.
JOBS = Table(
    "jobs",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("request_id", String, unique=True),
    Column("request_digest", String, nullable=False),
    Column("devices", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("after", Text, nullable=False),
    Column("after_ids", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("refs", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Column("start_time", UtcTime),
    Column("end_time", UtcTime),
    Column("outcome", Text),
    Column("attempt", Integer, nullable=False),
    Column("last_sequence", Integer, nullable=False),
    Column("run_dir", Text, nullable=False),
    Column("progress", Text),
    Column("artifacts", Text, nullable=False),
    Column("memory_bytes", Integer),
    Column("not_before", UtcTime),
    Column("timeout_s", Float),
    Column("user", String, nullable=False, server_default=""),
    Column("datasets", Text, nullable=False, server_default="[]"),
    Column("retries", Integer, nullable=False, server_default="0"),
    Column("preemptible", Integer, nullable=False, server_default="0"),
    Column("min_runtime_s", Float, nullable=False, server_default="60"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("retry_time", UtcTime),
    Column("inexact", Text, nullable=False, server_default=""),
    Column("base", String, nullable=False, server_default=""),
    sqlite_autoincrement=True,
)
Index("jobs_by_name", JOBS.c.name, JOBS.c.number)
Index("jobs_by_user", JOBS.c.user, JOBS.c.number)
# SQLite takes a partial index only for a query with the same literal. The few jobs that have not
# ended are found by this one among all that have.
IS_UNFINISHED = text("state NOT IN ('succeeded', 'failed', 'cancelled')")
Index("one_unfinished_job_per_name", JOBS.c.name, unique=True, sqlite_where=IS_UNFINISHED)

# What may be long and is written once.
DOCUMENTS = Table(
    "documents",
    METADATA,
    Column("job_id", String, primary_key=True),
    Column("recipe_json", Text, nullable=False),
    Column("plan_json", Text, nullable=False),
)

EVENTS = Table(
    "events",
    METADATA,
    Column("job_id", String, primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("time", UtcTime, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("body", Text, nullable=False),
    sqlite_with_rowid=False,
)
# A job's epochs are read often and lie among many more progress events.
IS_EPOCH = text("kind = 'epoch'")
Index("epochs", EVENTS.c.job_id, EVENTS.c.sequence, sqlite_where=IS_EPOCH)
IS_EVALUATION = text("kind = 'evaluated'")
Index("evaluations", EVENTS.c.job_id, EVENTS.c.sequence, sqlite_where=IS_EVALUATION)

ATTEMPTS = Table(
    "attempts",
    METADATA,
    Column("job_id", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("run_dir", Text, nullable=False),
    Column("journal_offset", Integer, nullable=False),
    Column("devices", Text, nullable=False),
    Column("start_time", UtcTime, nullable=False),
    Column("end_time", UtcTime),
    Column("outcome", Text),
    sqlite_with_rowid=False,
)

DRAINS = Table(
    "drains",
    METADATA,
    Column("uuid", String, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("time", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

TOKENS = Table(
    "tokens",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("user", String, nullable=False),
    Column("role", String, nullable=False),
    Column("digest", String, nullable=False, unique=True),
    Column("create_time", UtcTime, nullable=False),
    Column("last_use_time", UtcTime),
    Column("revoke_time", UtcTime),
)
Index(
    "one_live_token_per_name",
    TOKENS.c.name,
    unique=True,
    sqlite_where=text("revoke_time IS NULL"),
)

DATASETS = Table(
    "datasets",
    METADATA,
    Column("user", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("digest", String, nullable=False),
    Column("files", Integer, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("folders", Text, nullable=False),
    Column("create_time", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

# What deleted jobs have had of the machine: accounts outlive their jobs.
PAST_USAGE = Table(
    "past_usage",
    METADATA,
    Column("user", String, primary_key=True),
    Column("ended", Integer, nullable=False),
    Column("device_seconds", Float, nullable=False),
    sqlite_with_rowid=False,
)
