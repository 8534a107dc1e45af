"""The shim: one small process above each worker, so that whatever happens to the worker, to its
children or to the daemon, everything ends, is reaped, and leaves an account.

It is forked from the zygote ahead of its job, with a worker beneath that gets ready meanwhile. It
leads a session of its own, adopts every descendant that loses its parent (child subreaper), and
is single-threaded: it only waits for signals.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Self

import setproctitle

from fttrain import kinship, oomkills
from fttrain.spec import longlog, rundir
from fttrain.spec.rundir import ExitReport, Orphan, ProcessIdentity

Worker = Callable[[], Callable[[Path], int]]
"""A worker's main in two parts: what can be done before its job is known returns the rest, which
takes the run directory and returns the exit code."""

WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_AGAIN_S = 0.05
_GIVE_UP_S = 2.0
"""What does not end by SIGKILL in this time waits for a device, or is another user's."""
_SPARE_FIRST, ERRANDS_NEXT, _WORKERS_LAST = 1000, 750, 500
DATAGRAM_BYTES = 65536
_libc = ctypes.CDLL(None, use_errno=True)


def supervise(orders: socket.socket, worker: Worker) -> NoReturn:
    """Wait for a run directory, run a worker to its end there, write exit.json. Never returns.

    Call it in a freshly forked process that has `WATCHED` blocked. The order is a datagram,
    `{"run_dir": ..., "grace_s": 2.0}`; without one it ends when the other end closes. SIGTERM to
    the shim ends the worker: SIGTERM at once, SIGKILL to it and all its descendants after the
    grace.
    """
    _let_go(keep=orders.fileno())
    os.setsid()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    setproctitle.setproctitle("finetuned spare shim")
    me = ProcessIdentity.of(os.getpid())
    assert me is not None
    kinship.put_on_mark(me)
    kinship.enter_group(me)
    spare = _Spare.fork(worker)
    order = orders.recv(DATAGRAM_BYTES)
    if not order:
        os._exit(0)  # the zygote is gone, and the worker goes with this process
    request = json.loads(order)
    run_dir = Path(request["run_dir"])
    redirect(run_dir / rundir.LOG, keep=spare.orders)
    if not rundir.take_start(run_dir, me):
        os._exit(0)  # the daemon has waited too long and given this start up
    setproctitle.setproctitle(f"finetuned shim {_short(run_dir)}")
    log = run_dir / rundir.LOG
    pid = spare.set_to_work(run_dir, worker)
    watch = _Watch(worker_pid=pid, grace_s=request["grace_s"], log=log)
    watch.until_worker_ends()
    watch.end_the_rest()
    rundir.write_card(run_dir / rundir.EXIT, watch.report())
    os._exit(0)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def descendants(root: int) -> list[int]:
    """Return the pids of all processes below a process, itself excluded."""
    found: list[int] = []
    ahead = [root]
    while ahead:
        children = _children(ahead.pop())
        found += children
        ahead += children
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += map(int, listing.read_text().split())
        except OSError:  # the thread or the whole process has ended meanwhile
            continue
    return children


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def redirect(log: Path, *, keep: int | None = None) -> None:
    """Point stdin at nothing and the outputs at the log; let go of all else but one descriptor."""
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    _let_go(keep=keep)


def _let_go(*, keep: int | None) -> None:
    most = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, most if keep is None else keep)
    if keep is not None:
        os.closerange(keep + 1, most)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spare:
    """A worker that waits for its run directory."""

    pid: int
    orders: int
    """Descriptor that the run directory is written to."""

    @classmethod
    def fork(cls, worker: Worker) -> Self:
        shim = os.getpid()
        theirs, ours = os.pipe()
        pid = os.fork()
        if pid == 0:
            die_with_parent(shim)
            _let_go(keep=theirs)
            os._exit(_work(theirs, worker))
        os.close(theirs)
        return cls(pid=pid, orders=ours)

    def set_to_work(self, run_dir: Path, worker: Worker) -> int:
        """Hand over the run directory; return the worker's pid."""
        spare = self
        if os.waitpid(self.pid, os.WNOHANG) != (0, 0):
            # Taken meanwhile, by whoever wanted memory; the job must not pay for that.
            os.close(self.orders)
            spare = type(self).fork(worker)
        with contextlib.suppress(BrokenPipeError):  # taken right now: seen as any other end
            os.write(spare.orders, os.fsencode(run_dir))
        os.close(spare.orders)
        return spare.pid


def _work(orders: int, worker: Worker) -> int:
    for number in WATCHED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
    prefer_as_victim(_SPARE_FIRST)
    setproctitle.setproctitle("finetuned spare worker")
    run = worker()
    order = _read_all(orders)
    if not order:
        return 0  # the shim is gone, and the kernel ends this process as well
    run_dir = Path(os.fsdecode(order))
    redirect(run_dir / rundir.LOG)
    prefer_as_victim(_WORKERS_LAST)
    setproctitle.setproctitle(f"finetuned worker {_short(run_dir)}")
    return guarded(run_dir, run)


def _read_all(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _short(run_dir: Path) -> str:
    return f"{run_dir.parent.name[:8]}/{run_dir.name}"


def guarded(folder: Path, main: Callable[[Path], int]) -> int:
    try:
        return main(folder)
    except BaseException:  # noqa: BLE001 - the edge of the worker process
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def prefer_as_victim(degree: int) -> None:
    """Where memory runs out, the kernel shall take this process, not the daemon beside it."""
    try:
        Path("/proc/self/oom_score_adj").write_text(str(degree))
    except OSError:  # some containers forbid it
        return


@dataclass(slots=True, kw_only=True)
class _Watch:
    worker_pid: int
    grace_s: float
    log: Path
    status: int | None = None
    terminated: bool = False
    kill_at: float = float("inf")
    orphans: list[Orphan] = field(default_factory=list)
    left: tuple[ProcessIdentity, ...] = ()
    memory: oomkills.Since = field(default_factory=oomkills.Since)
    oom_kills: int = 0
    user_s: float = 0.0
    system_s: float = 0.0
    max_rss_bytes: int = 0

    def until_worker_ends(self) -> None:
        while self.status is None:
            self.memory.look()
            longlog.cap(self.log)
            # Python's sleep-like waits are cut by nothing but these signals: they are blocked.
            wait = min(max(self.kill_at - time.monotonic(), _LOOK_AGAIN_S), oomkills.EVERY_S)
            caught = signal.sigtimedwait(WATCHED, wait)
            if caught is not None and caught.si_signo != signal.SIGCHLD:
                self._terminate()
            if time.monotonic() >= self.kill_at:
                _signal_all(descendants(os.getpid()), signal.SIGKILL)
            self._reap(os.WNOHANG)
        self.oom_kills = self.memory.kills

    def end_the_rest(self) -> None:
        """Kill and reap whatever the worker has left behind, until nothing is left.

        What cannot be ended (another user's, one that waits for a device) is the daemon's care.
        """
        give_up_at = time.monotonic() + _GIVE_UP_S
        while left := descendants(os.getpid()):
            if time.monotonic() > give_up_at:
                self.left = tuple(filter(None, map(ProcessIdentity.of, left)))
                return
            known = {orphan.pid for orphan in self.orphans}
            self.orphans += [Orphan(pid=p, name=_name(p)) for p in left if p not in known]
            _signal_all(left, signal.SIGKILL)
            signal.sigtimedwait({signal.SIGCHLD}, _LOOK_AGAIN_S)
            self._reap(os.WNOHANG)

    def report(self) -> ExitReport:
        assert self.status is not None
        by_signal = os.WIFSIGNALED(self.status)
        return ExitReport(
            exit_code=None if by_signal else os.WEXITSTATUS(self.status),
            signal=os.WTERMSIG(self.status) if by_signal else None,
            terminated=self.terminated,
            orphans=tuple(self.orphans),
            left=self.left,
            oom_kills=self.oom_kills,
            user_s=self.user_s,
            system_s=self.system_s,
            max_rss_bytes=self.max_rss_bytes,
            end_time=time.time(),
        )

    def _terminate(self) -> None:
        # A worker that has ended already is found first: its end came before the signal.
        self._reap(os.WNOHANG)
        if self.status is None and not self.terminated:
            self.terminated = True
            self.kill_at = time.monotonic() + self.grace_s
            _signal_all(descendants(os.getpid()), signal.SIGTERM)

    def _reap(self, options: int) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, options)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.user_s += usage.ru_utime
            self.system_s += usage.ru_stime
            self.max_rss_bytes = max(self.max_rss_bytes, usage.ru_maxrss * 1024)
            if pid == self.worker_pid:
                self.status = status


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):  # gone, or of another user: setuid
            continue


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "?"
