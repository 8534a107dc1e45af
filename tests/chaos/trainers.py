"""Trainers beneath the product's own zygote, killed at a chosen moment by kill -9."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil

from fttrain import events
from fttrain.spec import rundir
from fttrain.spec.rundir import AttemptCard

Phase = Literal[
    "start-up", "mid-step", "evaluation", "checkpoint write", "epoch edge", "export", "over"
]
PHASES: tuple[Phase, ...] = (
    "start-up", "mid-step", "evaluation", "checkpoint write", "epoch edge", "export",
)  # fmt: skip
_LIMIT_S = 120.0
_DATAGRAM_BYTES = 65536


class Zygote:
    """The product's zygote, asked directly."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._number = 0

    def start(self, run_dir: Path) -> "Trainer":
        """Have a run directory worked on."""
        self._number += 1
        order = {"id": self._number, "op": "start", "run_dir": str(run_dir), "grace_s": 1.0}
        self._connection.send(json.dumps(order).encode())
        data, (pidfd,), _, _ = socket.recv_fds(self._connection, _DATAGRAM_BYTES, 1)
        shim = psutil.Process(json.loads(data)["pid"])
        return Trainer(run_dir=run_dir, shim=shim, pidfd=pidfd)


@contextlib.contextmanager
def zygote(log: Path) -> Iterator[Zygote]:
    """Start a zygote; it ends with the block."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-P", "-m", "fttrain.zygote", str(theirs.fileno()), "0"]
    with ours, theirs, log.open("wb") as out:
        begun = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        theirs.close()
        with begun, ours:  # Its end of the connection closed, it ends.
            assert "ready" in json.loads(ours.recv(_DATAGRAM_BYTES))
            yield Zygote(ours)


@dataclass(slots=True, kw_only=True)
class Trainer:
    """A worker and its shim."""

    run_dir: Path
    shim: psutil.Process
    pidfd: int
    _offset: int = 0
    _told: list[events.Record] = field(default_factory=list)

    def wait(self) -> list[events.Record]:
        """Wait until it has ended; return what it told."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        if not poll.poll(_LIMIT_S * 1000):
            raise TimeoutError(f"{self.run_dir} does not end")
        os.close(self.pidfd)
        return [entry.record for entry in events.read(self.run_dir / rundir.JOURNAL)[0]]

    def kill_in(self, wanted: Callable[[Phase, int], bool], *, after_s: float) -> bool:
        """Kill it (-9) in a phase of an epoch, so long after it has come there at the earliest.

        Return False where it ended before there was a chance. It is stopped first and looked at
        then, so that it cannot have moved on.
        """
        worker = self._worker()
        end = time.monotonic() + _LIMIT_S
        while worker is not None and time.monotonic() < end:
            phase, epoch = self.phase()
            if phase == "over" or not _is_there(worker):
                return False
            if not wanted(phase, epoch):
                continue
            until = time.monotonic() + after_s
            while time.monotonic() < until and _is_there(worker):
                pass
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.suspend()
                while worker.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
                    pass
                if worker.status() == psutil.STATUS_STOPPED and wanted(*self.phase()):
                    worker.send_signal(signal.SIGKILL)
                    self.wait()
                    return True
                worker.resume()
        return False

    def phase(self) -> tuple[Phase, int]:
        """Return where it is now, and in which epoch."""
        entries, self._offset = events.read(self.run_dir / rundir.JOURNAL, offset=self._offset)
        self._told += [entry.record for entry in entries]
        turned = [r for r in self._told if isinstance(r, events.PhaseChanged)]
        if not turned or turned[-1].phase == "setup":
            return ("start-up" if not isinstance(self._last, events.Failed) else "over"), 0
        return self._within(turned[-1]), turned[-1].epoch

    @property
    def _last(self) -> events.Record | None:
        return self._told[-1] if self._told else None

    def _within(self, turned: events.PhaseChanged) -> Phase:
        if isinstance(self._last, events.Finished | events.Failed):
            return "over"
        match turned.phase:
            case "training":
                return "mid-step"
            case "evaluating":
                return "evaluation"
            case "exporting":
                return "export"
            case _:
                is_written = not any((self.run_dir / rundir.STEPS).glob(".*"))
                is_told = self._last is not turned
                is_late = is_told or self._has_newer_file(turned)
                return "epoch edge" if is_written and is_late else "checkpoint write"

    def _has_newer_file(self, turned: events.PhaseChanged) -> bool:
        """Tell whether the checkpoint of this phase has its name already."""
        kept = [r.step for r in self._told if isinstance(r, events.CheckpointSaved)]
        files = [int(path.stem) for path in (self.run_dir / rundir.STEPS).glob("[0-9]*")]
        return max(files, default=0) > max(kept, default=0)

    def _worker(self) -> psutil.Process | None:
        """Return the worker once its shim has given it its work."""
        end = time.monotonic() + _LIMIT_S
        while time.monotonic() < end:
            if (self.run_dir / rundir.SHIM).exists():
                with contextlib.suppress(psutil.NoSuchProcess):
                    children = self.shim.children()
                    return children[0] if children else None
                return None
        raise TimeoutError(f"nobody begins in {self.run_dir}")


def _is_there(worker: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return worker.status() != psutil.STATUS_ZOMBIE
    return False


def prepare(root: Path, number: int, recipe_json: str, plan_json: str) -> Path:
    """Make the run directory of an attempt of the job whose directory is `root`."""
    run_dir = root / str(number)
    run_dir.mkdir(parents=True)
    (run_dir / rundir.RECIPE).write_text(recipe_json)
    (run_dir / rundir.PLAN).write_text(plan_json)
    earlier = [str(root / str(before)) for before in range(number - 1, 0, -1)]
    card = AttemptCard(job_id="0123", attempt=number, name="tested", earlier=earlier)
    rundir.write_card(run_dir / rundir.ATTEMPT, card)
    return run_dir
