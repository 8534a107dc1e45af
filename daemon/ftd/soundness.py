"""Whether the job store is sound, asked before the daemon starts with it."""

import shlex
import sqlite3
import time
from pathlib import Path

import structlog

from ftd import backup
from ftd.errors import BadConfig

log = structlog.get_logger()

LIMIT_S = 10.0
"""A store that takes longer is looked at as far as that goes: about a million jobs."""
_SHOWN = 3


def refuse_damage(state: Path, *, limit_s: float = LIMIT_S) -> None:
    """Look at every page of the store.

    Raises:
        BadConfig: saying what is damaged, and the command that restores.
    """
    database = state / backup.DATABASE
    if not database.exists():
        return
    begin = time.monotonic()
    try:
        found = backup.damage(database, go_on=lambda: time.monotonic() - begin < limit_s)
    except backup.CutShort:
        log.warning("store_check_cut", seconds=limit_s)
        return
    except sqlite3.Error as error:
        found = [str(error)]
    if found:
        raise BadConfig(f"the job store {database} is damaged: {told(found)}; {remedy(state)}")


def told(found: list[str]) -> str:
    """Return findings as one line."""
    lines = [line for each in found for line in each.splitlines() if not line.startswith("***")]
    more = len(lines) - _SHOWN
    return "; ".join(lines[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def remedy(state: Path) -> str:
    """Return the command that makes a store whole again."""
    command = f"ftd restore --state {shlex.quote(str(state))}"
    made = backup.in_state(state)
    if made:
        when = backup.time_of(made[0])
        of = f"of {when:%Y-%m-%d %H:%M UTC}" if when else f"in {made[0]}"
        return f"`{command}` brings back the backup {of} and what happened to jobs since"
    return (
        f"`{command} BACKUP` brings back one that `ftd backup` made, `{command} --from-runs` what "
        "the run directories tell"
    )
