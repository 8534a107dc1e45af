"""The daemon's end of the zygote: starts it, keeps it alive, asks it for processes."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger()

# -P: a random.py in the folder where the daemon was started must not be taken for Python's.
COMMAND = (sys.executable, "-P", "-m", "fttrain.zygote")
READY_S = 120.0
"""Importing torch from a cold disk takes its time."""
_ANSWER_S = 30.0
_RESTART_S = 1.0
_START_TRIES = 3
_DATAGRAM_BYTES = 65536


class ZygoteGone(Exception):
    """The zygote ended before it answered."""


class Process:
    """A process that is not our child, held by its pidfd: it cannot be mistaken for another."""

    def __init__(
        self,
        pid: int,
        pidfd: int,
        *,
        is_warm: bool = False,
        zygote_ended: asyncio.Event | None = None,
    ) -> None:
        self.pid = pid
        self._zygote_ended = zygote_ended
        self.is_warm = is_warm
        """Whether it waited for its work."""
        self._pidfd = pidfd
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(pidfd, self._on_end)

    @classmethod
    def adopt(cls, pid: int) -> "Process | None":
        """Hold a process by its pid; None where there is none. The caller checks who it is."""
        try:
            return cls(pid, os.pidfd_open(pid))
        except ProcessLookupError:
            return None

    @property
    def has_ended(self) -> bool:
        """True once the process is gone."""
        return self._ended.is_set()

    @property
    def is_orphan(self) -> bool:
        """True once the zygote that forked it is gone: then an errand is gone, too."""
        return self._zygote_ended is not None and self._zygote_ended.is_set()

    async def wait(self) -> None:
        """Wait until the process is gone."""
        await self._ended.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens where the process is gone."""
        with contextlib.suppress(ProcessLookupError, OSError):
            signal.pidfd_send_signal(self._pidfd, number)

    def close(self) -> None:
        """Let go of the process."""
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _on_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self._ended.set()


class Zygote:
    """A zygote that is there: started, and started again when it ends."""

    def __init__(
        self, log_file: Path, command: Sequence[str] = COMMAND, *, reserve: int | None = None
    ) -> None:
        self._log_file = log_file
        self._command = command
        self._reserve = "auto" if reserve is None else str(reserve)
        self._told: Mapping[str, str] = {}
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Process]] = {}
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = asyncio.Event()
        self._cannot_start = asyncio.Event()
        self.pid = 0

    @contextlib.asynccontextmanager
    async def running(
        self, environment: Mapping[str, str] | None = None
    ) -> AsyncIterator["Zygote"]:
        """Keep the zygote alive inside the block; `environment` is told to it beside its own."""
        self._told = environment or {}
        async with asyncio.TaskGroup() as tasks:
            keeper = tasks.create_task(self._keep(), name="zygote")
            try:
                yield self
            finally:
                keeper.cancel()

    @property
    def is_ready(self) -> bool:
        """Whether it takes requests."""
        return self._ready.is_set()

    async def start(self, run_dir: Path, *, grace_s: float) -> Process:
        """Fork a shim for a run directory.

        Raises:
            ZygoteGone: where the zygote ended meanwhile; the shim may or may not have begun.
        """
        return await self._ask({"op": "start", "run_dir": str(run_dir), "grace_s": grace_s})

    async def plan(self, folder: Path) -> Process:
        """Fork a planner for a planning directory.

        Raises:
            ZygoteGone: where the zygote ended meanwhile.
        """
        return await self._ask({"op": "plan", "dir": str(folder)})

    async def predict(self, folder: Path) -> Process:
        """Fork a predictor for a folder with images.

        Raises:
            ZygoteGone: where the zygote ended meanwhile.
        """
        return await self._ask({"op": "predict", "dir": str(folder)})

    async def plot(self, folder: Path) -> Process:
        """Fork a plotter for a folder with a request.

        Raises:
            ZygoteGone: where the zygote ended meanwhile.
        """
        return await self._ask({"op": "plot", "dir": str(folder)})

    async def evaluate(self, folder: Path) -> Process:
        """Fork an evaluator for a folder with a request.

        Raises:
            ZygoteGone: where the zygote ended meanwhile.
        """
        return await self._ask({"op": "evaluate", "dir": str(folder)})

    async def compare(self, folder: Path) -> Process:
        """Fork a comparer for a folder with a request.

        Raises:
            ZygoteGone: where the zygote ended meanwhile.
        """
        return await self._ask({"op": "compare", "dir": str(folder)})

    async def _ask(self, request: dict[str, Any]) -> Process:
        await self.until_ready()
        number = next(self._numbers)
        answer: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        assert self._socket is not None
        try:
            self._socket.send(json.dumps({"id": number, **request}).encode())
            async with asyncio.timeout(_ANSWER_S):
                return await answer
        except TimeoutError:
            if answer.done() and not answer.cancelled():
                return answer.result()  # It came at the last moment.
            self._end_silent()
            raise ZygoteGone(f"the zygote gave no answer within {_ANSWER_S:.0f} s") from None
        except OSError as error:
            raise ZygoteGone(str(error)) from error
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and not answer.exception():
                _drop(answer.result(), is_errand=request["op"] != "start")
            raise
        finally:
            self._answers.pop(number, None)

    def _end_silent(self) -> None:
        """End a zygote that hangs or was stopped: it is started again, and jobs go on meanwhile."""
        log.warning("zygote_silent", pid=self.pid, seconds=_ANSWER_S)
        if self._process is not None:
            self._process.kill()

    async def until_ready(self) -> None:
        """Wait for the zygote.

        Raises:
            ZygoteGone: where it cannot start.
        """
        waits = [asyncio.create_task(each.wait()) for each in (self._ready, self._cannot_start)]
        try:
            await asyncio.wait(waits, timeout=READY_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not self._ready.is_set():
            raise ZygoteGone(f"the zygote does not come up; see {self._log_file}")

    async def _keep(self) -> None:
        failures = 0
        while True:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ended = asyncio.Event()
            with ours, self._log_file.open("ab") as output:
                with theirs:
                    process = self._spawn(theirs, output.fileno())
                ours.setblocking(False)
                self._socket = ours
                loop = asyncio.get_running_loop()
                loop.add_reader(ours, self._on_datagram, ours, ended)
                try:
                    await ended.wait()
                finally:
                    failures = 0 if self._ready.is_set() else failures + 1
                    if not self._ready.is_set():
                        process.kill()  # it does not look at its socket yet
                    self._ready.clear()
                    loop.remove_reader(ours)
                    ours.close()
                    await asyncio.to_thread(_end, process)
            log.warning("zygote_ended", pid=process.pid, returncode=process.returncode)
            self._refuse_all()
            if failures >= _START_TRIES:
                self._cannot_start.set()
            await asyncio.sleep(_RESTART_S)

    def _spawn(self, theirs: socket.socket, output: int) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [*self._command, str(theirs.fileno()), self._reserve],
            pass_fds=[theirs.fileno()],
            cwd="/",
            env={**_environment(), **self._told},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        self.pid, self._process = process.pid, process
        return process

    def _on_datagram(self, ours: socket.socket, ended: asyncio.Event) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(ours, _DATAGRAM_BYTES, 4)
        except OSError:
            data, fds = b"", []
        if not data:
            ended.set()
            asyncio.get_running_loop().remove_reader(ours)
            return
        answer = json.loads(data)
        if "ready" in answer:
            self._cannot_start.clear()
            self._ready.set()
            log.info("zygote_ready", pid=answer["ready"])
            return
        future = self._answers.get(answer["id"])
        if future is None or future.done():
            # Nobody waits any more. An errand's work is void; a shim sees whether its start is.
            with contextlib.suppress(ProcessLookupError):
                if answer["op"] != "start":
                    signal.pidfd_send_signal(fds[0], signal.SIGKILL)
            os.close(fds[0])
        else:
            future.set_result(
                Process(answer["pid"], fds[0], is_warm=answer["warm"], zygote_ended=ended)
            )

    def _refuse_all(self) -> None:
        for future in self._answers.values():
            if not future.done():
                future.set_exception(ZygoteGone("the zygote ended"))


def _drop(process: Process, *, is_errand: bool) -> None:
    """Let go of a process for which nobody waits any more: an errand's work is void."""
    if is_errand:
        process.send(signal.SIGKILL)
    process.close()


def _environment() -> dict[str, str]:
    """Return what a zygote is told before it starts; its children inherit the effects."""
    ours = ("FTD_", "FTCTL_")  # what is told to the daemon is not for workers
    environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    # BLAS threads started at import would make every fork unsafe.
    environment["OPENBLAS_NUM_THREADS"] = "1"
    # Let malloc ask for huge pages: a first step comes a tenth sooner.
    environment.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
    return environment


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Wait for the zygote: it ends by itself when its socket closes."""
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
