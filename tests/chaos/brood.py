"""The real zygote over workers that leave behind all kinds of processes, each hard to find.

The job's name tells what the worker itself does then: `brood-and-wait` or `brood-and-exit`.
"""

import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from fttrain import events, shim, zygote
from fttrain.spec import mark, rundir
from tests.fakes import zygote_of_faults as faults

BROOD = "brood"
"""File of the run directory: a line for each process that was left, its kind and its pid."""
SPARES = "FT_CHAOS_SPARES"
"""Where the environment has it, shims can end nothing: others' processes, or such as wait."""
SEEN = "seen"
"""And one that lists those of earlier attempts that were still there when this one began."""


def stay(run_dir: Path, kind: str) -> None:
    """Do nothing, for ever; no polite signal ends it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    note(run_dir, kind, os.getpid())
    faults.sleep_for_ever()


def note(run_dir: Path, kind: str, pid: int) -> None:
    """Add a process to the list."""
    with (run_dir / BROOD).open("a") as file:
        file.write(f"{kind} {pid}\n")


def child(run_dir: Path) -> None:
    """Have a child of one's own session."""
    if os.fork() == 0:
        stay(run_dir, "child")


def loader(run_dir: Path) -> None:
    """Have a child as a DataLoader has it."""
    context = multiprocessing.get_context("fork")
    context.Process(target=stay, args=(run_dir, "loader"), daemon=True).start()


def session(run_dir: Path) -> None:
    """Have a child with a session of its own."""
    if os.fork() == 0:
        os.setsid()
        stay(run_dir, "session")


def twice(run_dir: Path) -> None:
    """Fork twice, with a session between."""
    if (between := os.fork()) == 0:
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        stay(run_dir, "twice")
    os.waitpid(between, 0)


def service(run_dir: Path) -> None:
    """Do all that a service does: two forks, a session, other folder, no file left open."""
    if (between := os.fork()) == 0:
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        os.chdir("/")
        os.closerange(0, 1024)
        os.open(os.devnull, os.O_RDWR)
        stay(run_dir, "service")
    os.waitpid(between, 0)


def program(run_dir: Path) -> None:
    """Start another program in a session of its own, with no file of ours."""
    started = _sleeper(start_new_session=True, env=None)
    note(run_dir, "program", started.pid)


def bare(run_dir: Path) -> None:
    """Start another program that is told nothing of its surroundings."""
    note(run_dir, "bare", _sleeper(start_new_session=False, env={}).pid)


def _sleeper(*, start_new_session: bool, env: dict[str, str] | None) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        ["/bin/sleep", "3600"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=start_new_session, env=env,
    )  # fmt: skip


def hidden(run_dir: Path) -> None:
    """Start another program that is told nothing, in a session of its own."""
    note(run_dir, "hidden", _sleeper(start_new_session=True, env={}).pid)


def relogged(run_dir: Path) -> None:
    """Do what a login does: a session of its own, and limits as they are at the start."""
    if os.fork() == 0:
        os.setsid()
        resource.setrlimit(mark.LIMIT, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        stay(run_dir, "relogged")


KINDS: tuple[Callable[[Path], None], ...] = (
    child, loader, session, twice, service, program, bare, hidden,
)  # fmt: skip
GROUPED = (*KINDS, relogged)
"""One more, which without a shim only a control group finds."""


def left_in(run_dir: Path) -> dict[int, str]:
    """Return the processes that the worker of a run directory has left, with their kinds."""
    if not (run_dir / BROOD).exists():
        return {}
    lines = [line.split() for line in (run_dir / BROOD).read_text().splitlines()]
    return {int(pid): kind for kind, pid in lines}


def all_seen(runs: Path) -> list[str]:
    """Return those that were still there when any worker began."""
    found = [path.read_text().splitlines() for path in runs.glob(f"*/*/{SEEN}")]
    assert found, "no worker began"
    return [pid for lines in found for pid in lines]


def is_there(pid: int) -> bool:
    """Return whether a process runs: one that has ended and was not asked how does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def worker(run_dir: Path) -> int:
    """Leave all kinds of processes, and then do what the job's name says."""
    before = [pid for each in run_dir.parent.parent.glob("*/*") for pid in left_in(each)]
    (run_dir / SEEN).write_text("".join(f"{pid}\n" for pid in before if is_there(pid)))
    name = rundir.read_attempt(run_dir).name
    if not name.startswith("brood"):
        return faults.worker(run_dir)
    kinds = GROUPED if name.endswith("grouped") else KINDS
    for kind in kinds:
        kind(run_dir)
    while len(left_in(run_dir)) < len(kinds):
        signal.sigtimedwait([], 0.005)
    faults.begin(run_dir)
    if name.startswith("brood-and-wait"):
        faults.sleep_for_ever()
    faults.say(run_dir, events.Finished(best_epoch=1, best_accuracy=1.0))
    # As a crash does: Python would first wait for the loader.
    os._exit(0)


if __name__ == "__main__":
    if SPARES in os.environ:
        shim._signal_all = lambda *_: None
    connection = socket.socket(fileno=int(sys.argv[1]))
    mains = zygote.Mains(
        worker=lambda: worker, planner=faults.planner,
        predictor=faults.predictor, plotter=faults.predictor, evaluator=faults.evaluator,
        comparer=faults.comparer,
    )  # fmt: skip
    zygote.serve(connection, mains)
