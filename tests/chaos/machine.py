"""A machine whose daemon, zygote, shims and trainers are real and die for real.

Only processes that it started are ever signalled: they are told by the machine's clock, a file
that each of them has mapped.
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.chaos import seams
from tests.wait import wait_until

CHECKOUT = Path(__file__).resolve().parent.parent.parent
START_S = 60.0
GONE_S = 10.0
"""The kernel ends those beneath a process that was killed; it takes a moment on a busy machine."""
_LOOK_S = 0.01


@dataclass(slots=True, kw_only=True)
class Machine:
    """One state directory, and whatever runs for it."""

    folder: Path
    socket: Path
    devices: str
    boot: int = 1
    shift_s: float = 0.0
    """How far its clock is ahead."""
    _daemon: asyncio.subprocess.Process | None = None
    _strangers: set[tuple[int, float]] = field(default_factory=set)
    """Processes that were looked at and are others'."""

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.folder / "state"

    @property
    def log(self) -> Path:
        """What its daemons say."""
        return self.folder / "daemon.log"

    @property
    def clock(self) -> Path:
        """The file with its clock."""
        return self.folder / "clock"

    async def start(self) -> None:
        """Start a daemon; it need not listen yet."""
        environment = {
            **os.environ,
            seams.BOOT: f"boot-{self.boot}",
            seams.CLOCK: str(self.clock),
            "PYTHONPATH": os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")]),
            "FTD_STATE": str(self.state),
            "FTD_SOCKET": str(self.socket),
            "FTD_DEVICES": self.devices,
            "FTD_RESERVE": "0",
        }
        with self.log.open("ab") as out:
            self._daemon = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.chaos.daemon"),
                cwd=CHECKOUT, env=environment, stdin=asyncio.subprocess.DEVNULL,
                stdout=out, stderr=out,
            )  # fmt: skip

    async def listens(self) -> None:
        """Return once the daemon listens."""
        assert self._daemon is not None
        until = time.monotonic() + START_S
        while not await self._is_heard():
            assert self._daemon.returncode is None, f"the daemon ended; {self.log} says why"
            assert time.monotonic() < until, f"the daemon does not listen; {self.log} says why"
            await asyncio.sleep(_LOOK_S)

    async def kill_daemon(self) -> None:
        """End the daemon by SIGKILL; all beneath it go on, but for its zygote."""
        if self._daemon is not None:
            with contextlib.suppress(ProcessLookupError):
                self._daemon.kill()
            await self._daemon.wait()
            self._daemon = None

    async def die(self) -> None:
        """End daemon, zygote and shims together, and boot anew: nobody is what he was."""
        # More than once: who is about to be killed may fork. Trainers are the kernel's care,
        # and a zygote that has not found the clock yet.
        while doomed := [each for each in self.processes() if not is_trainer(each)]:
            for each in doomed:
                send(each, signal.SIGKILL)
        await self.kill_daemon()
        await self.until_empty()
        self.boot += 1

    async def until_empty(self) -> None:
        """Return once no process is left."""
        with contextlib.suppress(TimeoutError):
            await wait_until(lambda: not self.processes(), GONE_S)
        left = [f"{each.pid} {title(each)} ({each.status()})" for each in self.processes()]
        assert not left, f"still there: {left}"

    def turn_clock(self, seconds: float) -> None:
        """Set its clock ahead, or back."""
        self.shift_s += seconds
        seams.set_clock(self.clock, self.shift_s)

    def zygote(self) -> psutil.Process | None:
        """Return the daemon's zygote, where it has one."""
        if self._daemon is None:
            return None
        with contextlib.suppress(psutil.NoSuchProcess):
            return next(iter(psutil.Process(self._daemon.pid).children()), None)
        return None

    def daemon(self) -> psutil.Process | None:
        """Return the daemon, where there is one."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self._daemon.pid) if self._daemon is not None else None
        return None

    def shims(self) -> list[psutil.Process]:
        """Return the shims of running attempts."""
        return [each for each in self.processes() if title(each).startswith("finetuned shim")]

    def trainers(self) -> list[psutil.Process]:
        """Return the workers of running attempts."""
        return [each for each in self.processes() if is_trainer(each)]

    def processes(self) -> list[psutil.Process]:
        """Return all that runs on the machine, in no order."""
        return list(self._found())

    def _found(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                key = (process.pid, process.create_time())
                if key in self._strangers:
                    continue
                if str(self.clock) in Path(f"/proc/{process.pid}/maps").read_text():
                    yield process
                # One that is young may be about to map it.
                elif time.time() - process.create_time() > START_S:
                    self._strangers.add(key)

    async def _is_heard(self) -> bool:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_unix_connection(self.socket)
            writer.close()
            return True
        return False


@contextlib.asynccontextmanager
async def machine(folder: Path, *, devices: str = "sim:2x16GiB") -> AsyncIterator[Machine]:
    """Run a machine inside the block; behind it nothing of it is left."""
    # The path of a unix socket is short by law of the kernel.
    with tempfile.TemporaryDirectory(prefix="ftd-") as short:
        own = Machine(folder=folder, socket=Path(short) / "ftd.sock", devices=devices)
        own.state.mkdir()
        own.turn_clock(0.0)
        try:
            await own.start()
            await own.listens()
            yield own
        finally:
            for each in own.processes():
                send(each, signal.SIGKILL)
            await own.kill_daemon()


def title(process: psutil.Process) -> str:
    """Return what a process calls itself; empty where it is gone."""
    try:
        return " ".join(process.cmdline()).strip()
    except psutil.Error:
        return ""


def is_trainer(process: psutil.Process) -> bool:
    """Whether a process trains."""
    return title(process).startswith("finetuned worker")


def send(process: psutil.Process, number: signal.Signals) -> None:
    """Send a signal to a process, unless it is gone or its pid is another's by now."""
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)
