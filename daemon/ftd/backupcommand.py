"""What `ftd backup` and `ftd restore` do, on the state directory itself."""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ftd import backup, soundness, statedir
from ftd.errors import BadConfig
from ftd.jobs import recovery
from ftd.jobs.recovery import Account
from ftd.jobs.store import moving, salvage
from ftd.jobs.store.engine import open_engines
from ftd.jobs.store.salvage import Salvage
from ftd.release import version
from fttrain.spec import rundir

_SHOWN = 20


def save(state: Path, place: Path) -> str:
    """Copy the store of a state directory, whether a daemon runs or not; return what to print.

    Raises:
        BadConfig: where there is no store, or the place cannot be had.
    """
    os.umask(0o077)
    database = state / backup.DATABASE
    if not database.exists():
        raise BadConfig(f"{state} holds no job store; say where with --state")
    try:
        made = backup.write(database, place.absolute(), now=datetime.now(UTC), version=version())
    except FileExistsError:
        raise BadConfig(f"{place} is there already; name a new folder") from None
    except (OSError, sqlite3.Error) as error:
        raise BadConfig(f"no backup can be made at {place}: {_why(error)}") from error
    jobs = f"{made.jobs} job{'s' * (made.jobs != 1)}"
    return (
        f"{place}: {jobs}, schema {made.schema}, as of {made.time}\n"
        "It holds the job store; checkpoints, models and logs lie in "
        f"{state / 'runs'}, pushed data in {state / 'datasets'}.\n"
    )


def restore(state: Path, place: Path | None, *, from_runs: bool = False) -> str:
    """Make the store anew from a backup and the run directories; return what to print.

    Args:
        place: the backup; None: the last one that the daemon made by itself.
        from_runs: take no backup, only what the run directories tell.

    Raises:
        StateLocked: where a daemon holds the state directory.
        BadConfig: where there is no backup, or it is none.
    """
    os.umask(0o077)
    with statedir.held(state):
        chosen = None if from_runs else place or _latest(state)
        manifest = backup.read(chosen) if chosen else None
        fresh = state / f"{backup.DATABASE}.restoring"
        _remove(fresh)
        try:
            if chosen:
                shutil.copyfile(chosen / backup.DATABASE, fresh)
            account = _fill(fresh, state)
        except (OSError, rundir.NewerFormat) as error:
            _remove(fresh)
            raise BadConfig(f"nothing is restored: {_why(error)}") from error
        aside = _put_aside(state)
        fresh.replace(state / backup.DATABASE)
    begin = f"the backup of {manifest.time} ({chosen})" if manifest else "an empty store"
    return "\n".join(_told(begin, account, aside)) + "\n"


def _latest(state: Path) -> Path:
    made = backup.in_state(state)
    if not made:
        raise BadConfig(f"there is no backup to restore: {soundness.remedy(state)}")
    return made[0]


def _fill(fresh: Path, state: Path) -> Account:
    writer, reader = open_engines(fresh, readers=1)
    reader.dispose()
    try:
        with writer.begin() as connection:
            moving.settle(connection, state / "runs")
            kept = _salvage(state / backup.DATABASE)
            return recovery.recover(connection, state / "runs", kept, now=datetime.now(UTC))
    finally:
        writer.dispose()


def _salvage(damaged: Path) -> Salvage:
    return salvage.read(damaged) if damaged.exists() else Salvage()


def _put_aside(state: Path) -> Path | None:
    """Move the store that was there to a folder of its own; return that."""
    files = sorted(state.glob(f"{backup.DATABASE}*"))
    files = [file for file in files if ".restoring" not in file.name]
    if not files:
        return None
    aside = state / f"damaged-{backup.name_of(datetime.now(UTC))}"
    aside.mkdir(exist_ok=True)
    for file in files:
        file.replace(aside / file.name)
    return aside


def _remove(database: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        database.with_name(f"{database.name}{suffix}").unlink(missing_ok=True)


def _told(begin: str, account: Account, aside: Path | None) -> Iterator[str]:
    yield f"restored: {begin}, and what has happened since"
    yield from _listed("from their run directories", account.returned)
    yield from _listed("went on since the backup", account.advanced)
    yield from _listed("read from the damaged store", account.salvaged)
    yield from _listed("deleted since the backup", account.deleted)
    yield from _listed("lost", account.lost, each_apart=True)
    if not account.lost:
        yield "lost: nothing that can be known of"
    if aside:
        yield f"what was there before is in {aside}; remove it when all is well"
    yield "start the daemon: it takes up the jobs that run and reads on in their journals"


def _listed(what: str, names: Sequence[str], *, each_apart: bool = False) -> Iterator[str]:
    if not names:
        return
    if each_apart:
        yield f"{what}:"
        yield from (f"  {name}" for name in names)
        return
    shown = ", ".join(names[:_SHOWN])
    more = len(names) - _SHOWN
    yield f"{what}: {shown}" + (f", and {more} more" if more > 0 else "")


def _why(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
