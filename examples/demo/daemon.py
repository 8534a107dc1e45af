"""A daemon of the demo's own: started, and gone without a trace when the block ends."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from ftctl import Client, DaemonUnreachable

START_S = 60.0
_LOOK_S = 0.05


@contextlib.asynccontextmanager
async def running(state: Path) -> AsyncIterator[Client]:
    """Start `ftd serve` over a state directory and connect to it."""
    # The path of a unix socket is short by law of the kernel: not below the checkout.
    with tempfile.TemporaryDirectory(prefix="ftd-demo-") as folder:
        socket = Path(folder) / "ftd.sock"
        with (state.parent / "daemon.log").open("wb") as log:
            places = ("--state", str(state), "--socket", str(socket))
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ftd", "serve", *places, stderr=log, stdout=log
            )
        try:
            async with await _connect(socket, process) as client:
                yield client
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            await process.wait()


async def _connect(socket: Path, process: asyncio.subprocess.Process) -> Client:
    deadline = asyncio.get_running_loop().time() + START_S
    while asyncio.get_running_loop().time() < deadline:
        with contextlib.suppress(DaemonUnreachable):
            async with Client(socket):
                return Client(socket)
        if process.returncode is not None:
            break
        await asyncio.sleep(_LOOK_S)
    raise SystemExit("the daemon did not start; see daemon.log in the demo's folder")


def leftovers(state: Path) -> list[str]:
    """Return the processes that still work for this state directory: there should be none."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if str(state) in command or (entry / "cwd").resolve().is_relative_to(state):
                    found.append(f"{entry.name} {command}")
    return found
