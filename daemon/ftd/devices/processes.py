"""Processes, as /proc shows them: who descends from whom, and what memory they hold.

A process that ends while it is looked at is left out; it is never an error.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ftd.devices.model import Usage

_PROC = Path("/proc")
# Smaller ones explain nothing.
_LEAST_NAMED_BYTES = 16 * 2**20
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process at one moment."""

    pid: int
    parent: int
    name: str
    resident_bytes: int
    """Includes what it shares with others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What processes hold of the machine's memory."""

    pss_bytes: int = 0
    """Shared pages are shared out over those who use them."""
    anonymous_bytes: int = 0
    """The part of it that is no file's and cannot be dropped."""

    def __add__(self, other: "Footprint") -> "Footprint":
        return Footprint(
            pss_bytes=self.pss_bytes + other.pss_bytes,
            anonymous_bytes=self.anonymous_bytes + other.anonymous_bytes,
        )


def table() -> Mapping[int, Process]:
    """Return all processes by pid. Costs about 20 µs for each."""
    pids = (int(entry.name) for entry in os.scandir(_PROC) if entry.name.isdecimal())
    return {pid: process for pid in pids for process in _read(pid)}


def trees(roots: Iterable[int], table: Mapping[int, Process]) -> Mapping[int, frozenset[int]]:
    """Return for each root itself and its descendants, those that still run."""
    children: dict[int, list[int]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process.pid)
    return {root: frozenset(_below(root, children)) & table.keys() for root in roots}


def footprint(pids: Iterable[int]) -> Footprint:
    """Return what these processes hold together. Costs about a millisecond for a large one."""
    return sum((_footprint(pid) for pid in pids), Footprint())


def largest(table: Mapping[int, Process], without: Collection[int], most: int) -> tuple[Usage, ...]:
    """Return the processes that hold most memory of their own, the largest first."""
    others = [process for process in table.values() if process.pid not in without]
    # Resident memory bounds one's own from above; most of the ranking is done by it for free.
    others = sorted(others, key=lambda process: -process.resident_bytes)[: 2 * most]
    usages = [
        Usage(pid=process.pid, name=process.name, memory_bytes=_own(process.pid))
        for process in others
    ]
    ranked = sorted(usages, key=lambda usage: (-usage.memory_bytes, usage.pid))
    return tuple(usage for usage in ranked if usage.memory_bytes >= _LEAST_NAMED_BYTES)[:most]


def name(pid: int) -> str:
    """Return what the kernel calls a process; empty where it cannot be seen."""
    return next((process.name for process in _read(pid)), "")


def _read(pid: int) -> Iterator[Process]:
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return
    # The name stands in parentheses and may itself hold some.
    head, _, rest = text.rpartition(")")
    fields = rest.split()
    yield Process(
        pid=pid,
        parent=int(fields[1]),
        name=head.partition("(")[2],
        resident_bytes=int(fields[21]) * _PAGE_BYTES,
    )


def _below(root: int, children: Mapping[int, list[int]]) -> Iterator[int]:
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])


def _footprint(pid: int) -> Footprint:
    try:
        text = (_PROC / str(pid) / "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return Footprint()
    except PermissionError:
        own = _own(pid)  # another user's: the nearest that everybody may see
        return Footprint(pss_bytes=own, anonymous_bytes=own)
    lines = (line.split() for line in text.splitlines()[1:])
    kibibytes = {words[0]: int(words[1]) for words in lines}
    pss, anonymous, shmem = (
        kibibytes.get(f"{part}:", 0) * 1024 for part in ("Pss", "Pss_Anon", "Pss_Shmem")
    )
    return Footprint(pss_bytes=pss, anonymous_bytes=anonymous + shmem)


def _own(pid: int) -> int:
    """Return the resident bytes that no file backs."""
    try:
        fields = (_PROC / str(pid) / "statm").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES
