"""The zygote: a process with torch imported that forks shims, planners and their like.

`python -m fttrain.zygote FD RESERVE` is always exec'd; FD is a SOCK_SEQPACKET socket to the
daemon, RESERVE the bytes of memory that a waiting worker touches ahead, or `auto`. It
never runs a torch operator: after one parallel operator in the parent, the first operator of a
forked child hangs for good. It must have one thread at each fork.

Requests are JSON datagrams: `{"id": 1, "op": "start", "run_dir": ..., "grace_s": 2.0}` or
`{"id": 2, "op": "plan", "dir": ...}`, or `predict`, `plot`, `evaluate` or `compare` instead. The
answer brings a pidfd along: `{"id": 1, "op": "start", "pid": 4711, "warm": true}`, warm if a worker
waited. It ends when the daemon's end of the socket closes; shims live on.
"""

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import setproctitle

from fttrain import openmp, shim
from fttrain.occupancy import Occupancy


@dataclass(frozen=True, slots=True, kw_only=True)
class Mains:
    """What the forked processes run."""

    worker: shim.Worker
    """Beneath a shim."""
    planner: Callable[[Path], int]
    """Planning directory in, exit code out."""
    predictor: Callable[[Path], int]
    """Directory with images in, exit code out."""
    plotter: Callable[[Path], int]
    """Directory with numbers in, exit code out."""
    evaluator: Callable[[Path], int]
    """Directory with a request in, exit code out."""
    comparer: Callable[[Path], int]
    """Directory with a request in, exit code out."""


def serve(connection: socket.socket, mains: Mains, occupancy: Occupancy | None = None) -> None:
    """Answer requests until the other end closes; keep count of the jobs that run."""
    setproctitle.setproctitle("finetuned zygote")
    # Children share the parent's pages; a collection in either would copy them all.
    gc.collect()
    gc.freeze()
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    zygote = _Zygote(connection, mains, occupancy or Occupancy())
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(wake_read, selectors.EVENT_READ)
        _send(connection, {"ready": os.getpid()})
        while True:
            for key, _ in selector.select():
                if key.fileobj is connection:
                    if not zygote.answer():
                        return
                else:
                    os.read(wake_read, 512)
                    zygote.reap()


class _Zygote:
    """What there is between requests: a shim and a worker that wait for the next job."""

    def __init__(self, connection: socket.socket, mains: Mains, occupancy: Occupancy) -> None:
        self._connection = connection
        self._mains = mains
        self._occupancy = occupancy
        self._spare: _Spare | None = self._fork_spare()

    def answer(self) -> bool:
        """Answer one request; return False where there will be no more."""
        data = self._connection.recv(shim.DATAGRAM_BYTES)
        if not data:
            return False
        request = json.loads(data)
        is_warm = self._spare is not None
        pid = self._start(request) if request["op"] == "start" else self._send_on_errand(request)
        # Not reaped yet, so the pid can be nobody else's.
        pidfd = os.pidfd_open(pid)
        try:
            answer = {"id": request["id"], "op": request["op"], "pid": pid, "warm": is_warm}
            _send(self._connection, answer, fds=[pidfd])
        finally:
            os.close(pidfd)
        if self._spare is None:
            self._spare = self._fork_spare()
        return True

    def reap(self) -> None:
        """Let go of children that have ended."""
        with contextlib.suppress(ChildProcessError):
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                self._occupancy.end(pid)
                if self._spare is not None and pid == self._spare.pid:
                    self._spare.orders.close()
                    self._spare = None

    def _start(self, request: dict[str, Any]) -> int:
        order = json.dumps({"run_dir": request["run_dir"], "grace_s": request["grace_s"]}).encode()
        spare, self._spare = self._spare or self._fork_spare(), None
        with spare.orders:
            try:
                spare.orders.send(order)
            except ConnectionError:  # ended, and not reaped yet
                return self._start(request)
        self._occupancy.begin(spare.pid)
        return spare.pid

    def _fork_spare(self) -> "_Spare":
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            pid = _fork(lambda: shim.supervise(theirs, self._mains.worker))
        return _Spare(pid=pid, orders=ours)

    def _send_on_errand(self, request: dict[str, Any]) -> int:
        folder, zygote = Path(request["dir"]), os.getpid()
        name, main = {
            "plan": ("planner", self._mains.planner),
            "predict": ("predictor", self._mains.predictor),
            "plot": ("plotter", self._mains.plotter),
            "evaluate": ("evaluator", self._mains.evaluator),
            "compare": ("comparer", self._mains.comparer),
        }[request["op"]]
        return _fork(lambda: _run_errand(folder, name, main, zygote))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spare:
    """A shim that waits for its order."""

    pid: int
    orders: socket.socket


def _fork(child: Callable[[], None]) -> int:
    threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    assert threads == 1, f"the zygote has {threads} threads: a forked child could hang"
    # A signal that comes before the child is ready for it waits; it must not be lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, shim.WATCHED)
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        try:
            child()
        except BaseException:  # noqa: BLE001 - the edge of the child: told in the log
            traceback.print_exc()
        finally:
            os._exit(1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, shim.WATCHED)
    return pid


def _run_errand(folder: Path, name: str, main: Callable[[Path], int], zygote: int) -> None:
    shim.die_with_parent(zygote)
    os.setsid()
    for number in shim.WATCHED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, shim.WATCHED)
    shim.prefer_as_victim(shim.ERRANDS_NEXT)
    shim.redirect(folder / "log.txt")
    setproctitle.setproctitle(f"finetuned {name}")
    os._exit(shim.guarded(folder, main))


def _send(connection: socket.socket, body: dict[str, Any], fds: list[int] | None = None) -> None:
    socket.send_fds(connection, [json.dumps(body).encode()], fds or [])


def main() -> None:
    """Import all that workers need, then serve."""
    # The daemon's end decides when this process ends, not a Ctrl-C in the daemon's terminal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # It looks at its socket only once all is imported, and one that is stopped never does.
    shim.die_with_parent(os.getppid())
    connection = socket.socket(fileno=int(sys.argv[1]))
    reserve = None if sys.argv[2] == "auto" else int(sys.argv[2])
    openmp.settle()
    from fttrain import evaluator, planner, plotter, predictor, run, similarity, warm

    warm.preload()
    occupancy = Occupancy()
    mains = Mains(
        worker=partial(run.ahead, reserve, occupancy.is_any),
        planner=planner.main,
        predictor=predictor.main,
        plotter=plotter.main,
        evaluator=evaluator.main,
        comparer=similarity.main,
    )
    serve(connection, mains, occupancy)


if __name__ == "__main__":
    main()
