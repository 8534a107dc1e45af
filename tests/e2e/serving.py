"""A real `ftd serve` for a test, over a state directory and a socket of its own."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from examples.demo import daemon
from ftctl import AsyncClient, Job
from fttrain import events
from fttrain.spec import rundir
from tests.wait import wait_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A running daemon and a client that is connected to it."""

    client: AsyncClient
    process: asyncio.subprocess.Process
    socket: Path
    state: Path

    def environment(self) -> dict[str, str]:
        """Return the environment in which `ftctl` finds this daemon."""
        return {**os.environ, "FTCTL_SOCKET": str(self.socket), "NO_COLOR": "1"}

    async def ftctl(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Run `ftctl`; return its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ftctl", *map(str, arguments),
            env=self.environment(),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


@contextlib.asynccontextmanager
async def serving(state: Path, **settings: str) -> AsyncIterator[Serving]:
    """Start a daemon and connect; end it, and every job, when the block ends.

    `settings` is what the daemon is told beside: `devices="sim:4x16GiB"`, `metrics_grace="1"`.
    """
    told = {f"FTD_{name.upper()}": value for name, value in settings.items()}
    async with daemon.running(state, environment={**os.environ, **told}) as own:
        yield Serving(client=own.client, process=own.process, socket=own.socket, state=state)
        await _cancel_all(own.client)


async def _cancel_all(client: AsyncClient) -> None:
    async for job in client.list():
        if not job.state.is_terminal:
            await client.cancel(job.id)
            await client.wait(job.id)


def records(job: Job) -> list[events.Record]:
    """Return the records of a job's journal as they stand."""
    return [entry.record for entry in events.read(Path(job.run_dir) / rundir.JOURNAL)[0]]


def family(job: Job) -> list[psutil.Process]:
    """Return the shim of a job's attempt and all that is beneath it."""
    identity = rundir.read_shim(Path(job.run_dir))
    assert identity is not None
    shim = psutil.Process(identity.pid)
    return [shim, *shim.children(recursive=True)]


async def freeze_when(job: Job, moment: Callable[[events.Record], bool]) -> psutil.Process:
    """Stop a worker (SIGSTOP) while the last record of its journal is of a moment; return it.

    It is stopped first and looked at then, so that it cannot have moved on; where it is somewhere
    else it goes on, and the next chance is taken.
    """
    identity = rundir.read_shim(Path(job.run_dir))
    assert identity is not None
    worker = psutil.Process(identity.pid).children()[0]
    offset, last = 0, None

    def is_caught() -> bool:
        nonlocal offset, last
        worker.suspend()
        while worker.status() != psutil.STATUS_STOPPED:
            pass
        entries, offset = events.read(Path(job.run_dir) / rundir.JOURNAL, offset=offset)
        last = entries[-1].record if entries else last
        if last is not None and moment(last):
            return True
        worker.resume()
        return False

    await wait_until(is_caught)
    return worker
