"""Finds the processes of an attempt without its shim: by mark, session and control group."""

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fttrain.spec import mark, rundir
from fttrain.spec.rundir import ProcessIdentity

_PROC = Path("/proc")
_GONE = ("Z", "X")
_ASLEEP = "D"
_MAPPED = f"/memfd:{mark.MAPPING}".encode()
_SET = f"{mark.VARIABLE}=".encode()
_LOOKS, _LOOK_AGAIN_S = 10, 0.02
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kin:
    """A process of an attempt."""

    pid: int
    start_ticks: int
    name: str
    state: str
    """The kernel's letter: D waits for a device and cannot be ended meanwhile."""
    session: int

    def __str__(self) -> str:
        return f"{self.name or '?'} ({self.pid})"

    @property
    def identity(self) -> tuple[int, int]:
        """What no other process has in this boot."""
        return self.pid, self.start_ticks

    def is_there(self) -> bool:
        """Return whether this very process still runs."""
        now = read(self.pid)
        return now is not None and now.identity == self.identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is known of the processes to be found."""

    run_dir: Path
    shim: ProcessIdentity
    ended_ticks: int | None = None
    """When the shim ended, where it was seen to end: its session is known up to then."""
    known: Collection[tuple[int, int]] = ()
    """Those found before."""
    group: Callable[[], Sequence[int]] = tuple
    """Returns the process ids of the control group."""


def find(search: Search) -> list[Kin]:
    """Return the processes of an attempt that run, its shim excluded. Costs some milliseconds."""
    if search.shim.boot_id != rundir.boot_id():
        return []
    group, text = frozenset(search.group()), mark.of(search.run_dir, search.shim)
    return [
        each
        for each in _table()
        # Nothing that began before the shim can descend from it.
        if each.start_ticks >= search.shim.start_ticks
        and each.identity != (search.shim.pid, search.shim.start_ticks)
        and (
            each.pid in group
            or each.identity in search.known
            or _is_of_session(each, search)
            or text in marks_of(each)
        )
    ]


def marked(runs: Path) -> Mapping[Path, ProcessIdentity]:
    """Return the run directories and shims that marked processes name, whoever these are."""
    found: dict[Path, ProcessIdentity] = {}
    for each in _table():
        for text in marks_of(each):
            run_dir = mark.run_dir_of(text, runs)
            shim = _shim_of(text)
            if run_dir is not None and shim is not None:
                found[run_dir] = shim
    return found


def marks_of(process: Kin) -> set[str]:
    """Return the marks that a process has; none where it may not be looked at."""
    if _stays_asleep(process):
        # To read the memory of a process that waits for a device can mean to wait as long.
        return set()
    return set(_mapped(process.pid)) | set(_set(process.pid))


def ticks_now() -> int:
    """Return the present as the kernel counts the starts of processes."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS_PER_S)


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
        state=fields[0],
        session=int(fields[3]),
    )


def runs(process: ProcessIdentity) -> bool:
    """Return whether this very process runs; one that has ended and was not reaped does not."""
    now = read(process.pid)
    is_same = now is not None and now.start_ticks == process.start_ticks
    return is_same and process.boot_id == rundir.boot_id()


def _table() -> Iterator[Kin]:
    for entry in os.scandir(_PROC):
        if entry.name.isdecimal() and (process := read(int(entry.name))) is not None:
            yield process


def _is_of_session(process: Kin, search: Search) -> bool:
    """Say whether a process is of the shim's session.

    As long as the shim was there no other session could have its number. A process that began
    later may be of one that has the number now.
    """
    return (
        search.ended_ticks is not None
        and process.session == search.shim.pid
        and process.start_ticks <= search.ended_ticks
    )


def _stays_asleep(process: Kin) -> bool:
    """Say whether a process waits for a device, and not only for a moment."""
    now: Kin | None = process
    for _ in range(_LOOKS):
        if now is None or now.state != _ASLEEP:
            return False
        time.sleep(_LOOK_AGAIN_S)
        now = read(process.pid)
    return True


def _mapped(pid: int) -> Iterator[str]:
    # Thousands of lines, most of which are nobody's mark.
    for part in _content(pid, "maps").split(_MAPPED)[1:]:
        name = part.partition(b"\n")[0]
        yield name.removesuffix(b" (deleted)").decode(errors="replace")


def _set(pid: int) -> Iterator[str]:
    content = b"\0" + _content(pid, "environ")
    for part in content.split(b"\0" + _SET)[1:]:
        yield part.partition(b"\0")[0].decode(errors="replace")


def _content(pid: int, file: str) -> bytes:
    with contextlib.suppress(OSError):  # gone, or another user's
        return (_PROC / str(pid) / file).read_bytes()
    return b""


def _shim_of(text: str) -> ProcessIdentity | None:
    pid, _, ticks = text.rpartition("/")[2].partition(".")
    if not (pid.isdecimal() and ticks.isdecimal()):
        return None
    return ProcessIdentity(pid=int(pid), start_ticks=int(ticks), boot_id=rundir.boot_id())
