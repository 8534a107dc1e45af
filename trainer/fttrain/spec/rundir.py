"""The run directory of an attempt: what lies in it, who writes it, how it is read. Torch-free.

recipe.json  plan.json  attempt.json     in: written before the start
shim.json                                who supervises: written by the shim as its first act,
                                         or `null` by the daemon that gives the start up
journal.jsonl  log.txt                   out: written by the worker while it runs
checkpoints/  artifacts/                 out: files that are whole as soon as they are there
finish  pause                            in, while it runs: end after the epoch in progress; or
                                         keep a checkpoint now and end, to go on in another attempt
exit.json                                how it ended: written by the shim as its last act
"""

import json
import os
import shutil
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

RECIPE = "recipe.json"
PLAN = "plan.json"
ATTEMPT = "attempt.json"
SHIM = "shim.json"
JOURNAL = "journal.jsonl"
LOG = "log.txt"
FINISH = "finish"
PAUSE = "pause"
EXIT = "exit.json"
MODEL = "artifacts/model.safetensors"
BEST = "checkpoints/best.safetensors"
LAST = "checkpoints/last.safetensors"
STEPS = "checkpoints/steps"
"""Folder of the checkpoints themselves, by step; BEST and LAST are two of them."""
FORMAT = 1
"""Of a run directory: what attempt.json says, and which files there are."""
DATASET = "dataset:"
"""Begins the text of a reference to a pushed data set."""


class NewerFormat(ValueError):
    """What lies there was written by a newer version."""


DISK_FULL = 28
"""Exit code of a worker that found no room on the disk, as the kernel numbers that error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptCard:
    """What the worker is told beside recipe and plan."""

    format: int = FORMAT
    job_id: str
    attempt: int
    name: str
    references: dict[str, str] = field(default_factory=dict)
    """What the recipe names -> the path that it means: `job:NAME/best`, `dataset:NAME`."""
    devices: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    """What the worker sets before it touches a device: so it sees its own and no other."""
    cores: list[int] = field(default_factory=list)
    """Cores that it may use; empty: all."""
    earlier: list[str] = field(default_factory=list)
    """Run directories of this job's earlier attempts, the latest first: it goes on from the last
    good checkpoint among them."""
    cache: str = ""
    """Folder of what is made of images once, for all jobs; empty: it is the attempt's own."""
    cache_bytes: int = 0
    """What all of that may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """A process that no other process can be taken for."""

    pid: int
    start_ticks: int
    """Field 22 of /proc/PID/stat: clock ticks from the boot to the start."""
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return the identity of a process, or None where there is none of that pid."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        after_name = stat.rpartition(")")[2].split()
        return cls(pid=pid, start_ticks=int(after_name[19]), boot_id=boot_id())

    @property
    def is_alive(self) -> bool:
        """True if this very process is still there (a zombie counts until it is reaped)."""
        return type(self).of(self.pid) == self


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseNote:
    """Why a worker was asked to keep a checkpoint and to end."""

    preempted_by: str = ""
    """The job that is to have its place."""
    asked_by: str = ""
    """The user who wants it; he has the last word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A process that outlived the worker, and was ended where that could be done."""

    pid: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitReport:
    """How an attempt ended."""

    exit_code: int | None
    signal: int | None
    terminated: bool
    """True if the shim was asked to end the worker before it ended by itself."""
    orphans: tuple[Orphan, ...]
    user_s: float
    system_s: float
    max_rss_bytes: int
    end_time: float
    """Seconds since the epoch, UTC."""
    left: tuple[ProcessIdentity, ...] = ()
    """Those of the orphans that could not be ended."""
    oom_kills: int = 0
    """Processes that the kernel ended for want of memory right before the end: of the shim's
    control group, or of the whole machine where no group counts them."""


def boot_id() -> str:
    """Return the identity of the running boot of this machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def write_aside(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    _write_beside(path, content).replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def link_aside(file: Path, path: Path) -> None:
    """Have a path mean a file that is there; what it meant before goes at the same instant."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    try:
        os.link(file, aside)
    except OSError:  # another file system, or one without links
        shutil.copyfile(file, aside)
    aside.replace(path)


def take_start(run_dir: Path, shim: ProcessIdentity | None) -> bool:
    """Take the start of an attempt, which only one can: its shim, or (None) who gives it up.

    Returns False where it was taken before. So a shim that comes late never runs a second worker.
    """
    path = run_dir / SHIM
    aside = _write_beside(path, json.dumps(asdict(shim) if shim else None).encode())
    try:
        os.link(aside, path)  # unlike a rename it replaces nothing
    except FileExistsError:
        return False
    finally:
        aside.unlink()
    return True


def ask_to_finish(run_dir: Path) -> None:
    """Ask a worker to end after the epoch in progress. It holds for as long as the folder."""
    write_aside(run_dir / FINISH, b"")


def is_to_finish(run_dir: Path) -> bool:
    """Return whether a worker was asked to end after the epoch in progress."""
    return (run_dir / FINISH).exists()


def ask_to_pause(run_dir: Path, *, preempted_by: str = "", asked_by: str = "") -> None:
    """Ask a worker to keep a checkpoint and to end.

    Args:
        run_dir: of its attempt
        preempted_by: the job that is to have its place; it goes on as soon as it can
        asked_by: the user who wants it; it goes on when it is resumed
    """
    note = {"preempted_by": preempted_by, "asked_by": asked_by}
    write_aside(run_dir / PAUSE, json.dumps(note).encode())


def call_off_pause(run_dir: Path) -> None:
    """Take back that a worker was asked to end; one that has seen it ends all the same."""
    (run_dir / PAUSE).unlink(missing_ok=True)


def is_to_pause(run_dir: Path) -> bool:
    """Return whether a worker was asked to keep a checkpoint and to end."""
    # Asked at each step: joining paths takes longer than looking.
    return os.access(f"{run_dir}/{PAUSE}", os.F_OK)


def read_pause(run_dir: Path) -> PauseNote | None:
    """Return why a worker was asked to end; None where it was not."""
    body = _read(run_dir / PAUSE)
    return PauseNote(**body) if body is not None else None


def write_card(path: Path, card: AttemptCard | ExitReport) -> None:
    """Write one of the small JSON files of a run directory."""
    write_aside(path, json.dumps(asdict(card)).encode())


def read_attempt(run_dir: Path) -> AttemptCard:
    """Read attempt.json.

    Raises:
        NewerFormat: where a newer version wrote it.
    """
    path = run_dir / ATTEMPT
    body = json.loads(path.read_text())
    refuse_newer(path, body.get("format", FORMAT), FORMAT)
    return AttemptCard(**body)


def refuse_newer(path: Path, found: int, known: int) -> None:
    """Refuse a file of a format that is not known here.

    Raises:
        NewerFormat
    """
    if found > known:
        raise NewerFormat(
            f"{path} has format {found}, of a newer finetuned, and this one knows {known}; "
            "install that version"
        )


def read_shim(run_dir: Path) -> ProcessIdentity | None:
    """Read shim.json; None where no shim has begun, or the start was given up."""
    body = _read(run_dir / SHIM)
    return ProcessIdentity(**body) if body is not None else None


def read_exit(run_dir: Path) -> ExitReport | None:
    """Read exit.json; None where the attempt has left no account of its end."""
    body = _read(run_dir / EXIT)
    if body is None:
        return None
    orphans = tuple(Orphan(**orphan) for orphan in body.pop("orphans"))
    left = tuple(ProcessIdentity(**each) for each in body.pop("left", ()))
    return ExitReport(orphans=orphans, left=left, **body)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        body = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return dict(body) if body is not None else None


def _write_beside(path: Path, content: bytes) -> Path:
    # Two threads of the daemon may write the same, such as two wishes for a pause.
    aside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        aside.unlink(missing_ok=True)  # no room: half of it shall not take what is left
        raise
    return aside
