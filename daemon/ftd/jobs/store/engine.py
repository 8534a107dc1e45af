"""Opens the database file: connections, and the migrations that it lacks."""

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError

from ftd.errors import BadConfig
from ftd.jobs.store.tables import HEAD

STATEMENTS = 128
"""Statements that stay compiled: more than the store has."""
_MIGRATIONS = Path(__file__).with_name("migrations")


def open_engines(path: Path, *, readers: int) -> tuple[Engine, Engine]:
    """Return the engine of the one writer and that of the readers, the schema up to date.

    Raises:
        BadConfig: where the file is damaged, of a newer version, or cannot be opened.
    """
    writer = _engine(path, begin="BEGIN IMMEDIATE", pragmas=("synchronous=FULL",), connections=1)
    try:
        with writer.begin() as connection:
            _bring_up_to_date(connection, path)
    except DatabaseError as error:
        writer.dispose()
        raise BadConfig(
            f"the job store {path} cannot be used: {error.orig}; `ftd restore` makes it anew from "
            "a backup and the run directories"
        ) from error
    except BadConfig:
        writer.dispose()
        raise
    return writer, _engine(path, begin="BEGIN", pragmas=("query_only=ON",), connections=readers)


def _engine(path: Path, *, begin: str, pragmas: tuple[str, ...], connections: int) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=connections,
        max_overflow=0,
        query_cache_size=STATEMENTS,
    )

    def prepare(connection: Any, _record: Any) -> None:
        # Transactions are ours alone: the driver's own begin too late for a savepoint.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", start)
    return engine


def _bring_up_to_date(connection: Connection, path: Path) -> None:
    found = _version(connection)
    if found == HEAD:
        return
    # Here and not above: Alembic takes 10 MB and a quarter of a second.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise BadConfig(
            f"the job store {path} was written by a newer finetuned (schema {found}, this one "
            f"knows {HEAD}); install that version, or give this one another state with --state"
        )
    command.upgrade(config, "head")


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if version is None else str(version)
