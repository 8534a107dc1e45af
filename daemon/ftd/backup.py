"""Copies of the job store, made while it is written, each with an account of itself.

`PLACE/ftd.sqlite` and `PLACE/manifest.json`: when, of which schema, with which digest.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ftd.errors import BadBackup
from ftd.jobs.store.plain import opened
from fttrain.spec import rundir

FORMAT = 1
DATABASE = "ftd.sqlite"
MANIFEST = "manifest.json"
FOLDER = "backups"
"""Of a state directory: the backups that the daemon makes by itself."""
KEPT = 3
_NAMED = "%Y%m%dT%H%M%SZ"
_OPERATIONS = 10_000
"""Of SQLite's machine, between two questions whether to go on."""


class CutShort(Exception):
    """A look at a store that was not brought to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself."""

    format: int = FORMAT
    time: str
    """ISO 8601, UTC."""
    schema: str
    """The newest migration of the store."""
    version: str
    """Of the finetuned that made it."""
    sha256: str
    jobs: int


def write(database: Path, place: Path, *, now: datetime, version: str) -> Manifest:
    """Copy a store into a new folder, as it is at one instant; whoever writes to it goes on.

    The folder is there whole or not at all.

    Raises:
        FileExistsError: where the place is taken.
        OSError, sqlite3.Error: where it cannot be read or written.
    """
    if place.exists():
        raise FileExistsError(place)
    aside = place.with_name(f".{place.name}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700, parents=True)
    try:
        schema, jobs = _copy(database, aside / DATABASE)
        manifest = Manifest(
            time=now.astimezone(UTC).isoformat(timespec="seconds"), schema=schema, jobs=jobs,
            version=version, sha256=_digest(aside / DATABASE),
        )  # fmt: skip
        rundir.write_aside(aside / MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
        aside.rename(place)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return manifest


def read(place: Path) -> Manifest:
    """Return what a backup says of itself, once it has been found whole.

    Raises:
        BadBackup: where it is none, is damaged, or was written by a newer version.
    """
    try:
        body = json.loads((place / MANIFEST).read_bytes())
        rundir.refuse_newer(place / MANIFEST, body["format"], FORMAT)
        manifest = Manifest(**body)
        digest = _digest(place / DATABASE)
    except rundir.NewerFormat as error:
        raise BadBackup(str(error)) from None
    except FileNotFoundError as error:
        raise BadBackup(f"{place} is no backup: {error.filename} is missing") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadBackup(f"{place} is no backup that can be read: {error}") from None
    if digest != manifest.sha256:
        raise BadBackup(
            f"{place / DATABASE} is not what was backed up: its SHA-256 begins with {digest[:8]}, "
            f"not {manifest.sha256[:8]}; take another backup"
        )
    return manifest


def in_state(state: Path) -> list[Path]:
    """Return the backups that lie in a state directory, the latest first."""
    made = (state / FOLDER).glob(f"*/{MANIFEST}")
    return sorted((each.parent for each in made), reverse=True)


def name_of(now: datetime) -> str:
    """Return what a backup of this moment is called: names sort by time."""
    return now.astimezone(UTC).strftime(_NAMED)


def time_of(place: Path) -> datetime | None:
    """Return when a backup of the daemon's own was made; None: it is called otherwise."""
    with contextlib.suppress(ValueError):
        return datetime.strptime(place.name, _NAMED).replace(tzinfo=UTC)
    return None


def tidy(state: Path, *, keep: int = KEPT) -> list[Path]:
    """Remove the oldest backups in a state directory; return those."""
    gone = in_state(state)[keep:]
    for place in gone:
        shutil.rmtree(place, ignore_errors=True)
    for aside in (state / FOLDER).glob(".*"):  # of one that broke off
        shutil.rmtree(aside, ignore_errors=True)
    return gone


def damage(database: Path, *, go_on: Callable[[], bool] = lambda: True, most: int = 5) -> list[str]:
    """Return what is damaged in a store, at most so many findings; none: it is sound.

    Raises:
        CutShort: where `go_on`, asked now and then, said no.
        sqlite3.Error: where it cannot be read at all.
    """
    with opened(database) as connection:
        connection.set_progress_handler(lambda: not go_on(), _OPERATIONS)
        try:
            found = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({most})")]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise CutShort from None
            raise
    return [] if found == ["ok"] else found


def _copy(database: Path, copy: Path) -> tuple[str, int]:
    with opened(database) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        # In one step: writers go on meanwhile, and no later write makes it begin anew.
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
        (schema,) = target.execute("SELECT version_num FROM alembic_version").fetchone()
        (jobs,) = target.execute("SELECT count(*) FROM jobs").fetchone()
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    return str(schema), int(jobs)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
