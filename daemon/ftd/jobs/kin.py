"""Finds the processes of an attempt without its shim: by mark and control group."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fttrain.spec import mark, rundir
from fttrain.spec.rundir import ProcessIdentity

_PROC = Path("/proc")
_GONE = ("Z", "X")
_LIMIT = b"Max file locks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kin:
    """A process of an attempt."""

    pid: int
    start_ticks: int
    name: str

    def __str__(self) -> str:
        return f"{self.name or '?'} ({self.pid})"

    @property
    def identity(self) -> tuple[int, int]:
        """What no other process has in this boot."""
        return self.pid, self.start_ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is known of the processes to be found."""

    shim: ProcessIdentity
    known: Collection[tuple[int, int]] = ()
    """Those found before."""
    group: Callable[[], Sequence[int]] = tuple
    """Returns the process ids of the control group."""


def find(search: Search) -> list[Kin]:
    """Return the processes of an attempt that run, its shim excluded. Costs some milliseconds."""
    if search.shim.boot_id != rundir.boot_id():
        return []
    group, own = frozenset(search.group()), mark.of(search.shim)
    return [
        each
        for each in _table()
        # Nothing that began before the shim can descend from it.
        if each.start_ticks >= search.shim.start_ticks
        and each.identity != (search.shim.pid, search.shim.start_ticks)
        and (each.pid in group or each.identity in search.known or mark_of(each.pid) == own)
    ]


def marked() -> set[tuple[int, int]]:
    """Return the process ids and starts of the shims whose marks any process has."""
    return {mark.read(value) for each in _table() if (value := mark_of(each.pid))}


def mark_of(pid: int) -> int | None:
    """Return the mark of a process; None where it has none, or is gone."""
    try:
        limits = (_PROC / str(pid) / "limits").read_bytes()
    except OSError:
        return None
    value = limits.partition(_LIMIT)[2].split(maxsplit=1)[:1]
    return int(value[0]) if value and value[0].isdigit() else None


def read(pid: int) -> Kin | None:
    """Return a process; None where it is gone, or has ended and nobody has asked how."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    head, _, rest = text.rpartition(")")
    fields = rest.split()
    if fields[0] in _GONE:
        return None
    return Kin(
        pid=pid,
        start_ticks=int(fields[19]),
        name=head.partition("(")[2],
    )


def runs(process: ProcessIdentity) -> bool:
    """Return whether this very process runs; one that has ended and was not reaped does not."""
    is_of_now = process.boot_id == rundir.boot_id()
    return is_of_now and is_there(process.pid, process.start_ticks)


def is_there(pid: int, start_ticks: int) -> bool:
    """Return whether a process runs, and began then."""
    now = read(pid)
    return now is not None and now.start_ticks == start_ticks


def _table() -> Iterator[Kin]:
    for entry in os.scandir(_PROC):
        if entry.name.isdecimal() and (process := read(int(entry.name))) is not None:
            yield process
