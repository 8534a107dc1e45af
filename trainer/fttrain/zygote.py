"""The zygote: a process with torch imported that forks planners and shims in milliseconds.

`python -m fttrain.zygote FD` is always exec'd; FD is a SOCK_SEQPACKET socket to the daemon. It
never runs a torch operator: after one parallel operator in the parent, the first operator of a
forked child hangs for good. It must have one thread at each fork.

Requests are JSON datagrams: `{"id": 1, "op": "start", "run_dir": ..., "grace_s": 2.0}` or
`{"id": 2, "op": "plan", "dir": ...}`. The answer `{"id": 1, "op": "start", "pid": 4711}` brings
a pidfd along.
It ends when the daemon's end of the socket closes; shims live on.
"""

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
from pathlib import Path
from typing import Any

import setproctitle

from fttrain import openmp, shim

_DATAGRAM_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Mains:
    """What the forked processes run."""

    worker: shim.Worker
    """Beneath a shim: run directory in, exit code out."""
    planner: Callable[[Path], int]
    """Planning directory in, exit code out."""


def serve(connection: socket.socket, mains: Mains) -> None:
    """Answer requests until the other end closes."""
    setproctitle.setproctitle("finetuned zygote")
    # Children share the parent's pages; a collection in either would copy them all.
    gc.collect()
    gc.freeze()
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(wake_read, selectors.EVENT_READ)
        _send(connection, {"ready": os.getpid()})
        while True:
            for key, _ in selector.select():
                if key.fileobj is connection:
                    if not _answer(connection, mains):
                        return
                else:
                    os.read(wake_read, 512)
                    _reap()


def _answer(connection: socket.socket, mains: Mains) -> bool:
    data = connection.recv(_DATAGRAM_BYTES)
    if not data:
        return False
    request = json.loads(data)
    if request["op"] == "start":
        run_dir, grace_s = Path(request["run_dir"]), float(request["grace_s"])
        pid = _fork(lambda: shim.supervise(run_dir, mains.worker, grace_s=grace_s))
    else:
        folder = Path(request["dir"])
        zygote = os.getpid()
        pid = _fork(lambda: _plan(folder, mains, zygote))
    # Not reaped yet, so the pid can be nobody else's.
    pidfd = os.pidfd_open(pid)
    try:
        answer = {"id": request["id"], "op": request["op"], "pid": pid}
        _send(connection, answer, fds=[pidfd])
    finally:
        os.close(pidfd)
    return True


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


def _plan(folder: Path, mains: Mains, zygote: int) -> None:
    shim.die_with_parent(zygote)
    os.setsid()
    for number in shim.WATCHED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, shim.WATCHED)
    shim.redirect(folder / "log.txt")
    setproctitle.setproctitle("finetuned planner")
    os._exit(shim.guarded(folder, mains.planner))


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _send(connection: socket.socket, body: dict[str, Any], fds: list[int] | None = None) -> None:
    socket.send_fds(connection, [json.dumps(body).encode()], fds or [])


def main() -> None:
    """Import all that workers need, then serve."""
    # The daemon's end decides when this process ends, not a Ctrl-C in the daemon's terminal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=int(sys.argv[1]))
    openmp.settle()
    from fttrain import planner, run, warm

    warm.preload()
    serve(connection, Mains(worker=run.run, planner=planner.main))


if __name__ == "__main__":
    main()
