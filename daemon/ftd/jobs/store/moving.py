"""A state directory that has moved: its paths in the store follow."""

from pathlib import Path

from sqlalchemy import Connection, func, select, update

from ftd.jobs.store.tables import ATTEMPTS, EVENTS, JOBS


def settle(connection: Connection, runs: Path) -> Path | None:
    """Have all paths of run directories lie in a folder; return where they lay, if elsewhere."""
    latest = select(JOBS.c.run_dir).where(JOBS.c.run_dir != "").order_by(JOBS.c.number.desc())
    found = connection.scalar(latest.limit(1))
    before = Path(found).parent.parent if found else runs
    if before == runs or not (runs / Path(str(found)).relative_to(before)).is_dir():
        return None
    old, new = f"{before}/", f"{runs}/"
    for column in (JOBS.c.run_dir, JOBS.c.artifacts, ATTEMPTS.c.run_dir, EVENTS.c.body):
        statement = update(column.table).where(column.contains(old, autoescape=True))
        connection.execute(statement.values({column.name: func.replace(column, old, new)}))
    return before
