"""A daemon of a script's own: started, and gone without a trace when the block ends."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ftctl import AsyncClient, DaemonUnreachable

START_S = 60.0
_LOOK_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A daemon, and a client that is connected to it."""

    client: AsyncClient
    process: asyncio.subprocess.Process
    socket: Path


@contextlib.asynccontextmanager
async def running(
    state: Path, *, environment: Mapping[str, str] | None = None, module: str = "ftd"
) -> AsyncIterator[Running]:
    """Start `ftd serve` over a state directory and connect to it; its log lies beside that.

    Args:
        state: Where the daemon keeps its jobs.
        environment: What the daemon finds in its environment. Default: what this process has.
        module: What is run, as `python -m MODULE serve`.
    """
    log = state.parent / "daemon.log"
    # The path of a unix socket is short by law of the kernel: not below the checkout.
    with tempfile.TemporaryDirectory(prefix="ftd-") as folder:
        socket = Path(folder) / "ftd.sock"
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module, "serve"),
                *("--state", str(state), "--socket", str(socket)),
                env=environment, stdout=out, stderr=out,
            )  # fmt: skip
        try:
            await _listens(socket, process, log)
            async with AsyncClient(socket) as client:
                yield Running(client=client, process=process, socket=socket)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _listens(socket: Path, process: asyncio.subprocess.Process, log: Path) -> None:
    deadline = asyncio.get_running_loop().time() + START_S
    while process.returncode is None and asyncio.get_running_loop().time() < deadline:
        with contextlib.suppress(DaemonUnreachable):
            async with AsyncClient(socket):
                return
        await asyncio.sleep(_LOOK_S)
    raise SystemExit(f"the daemon did not start; {log} says why")


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
