"""Real daemons that run real jobs, watched by a real Prometheus.

Three of them, because no single machine has it all: simulated devices with jobs that share them,
wait and fail; the processor, which tells how busy it is; cards, which tell of heat, power and
errors, from a fake NVML.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.demo import daemon
from ftctl import AsyncClient, AsyncJobHandle
from tests.observe.prometheus import Prometheus, free_port, prometheus


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that plays."""

    prometheus: Prometheus
    simulated: AsyncClient
    processor: AsyncClient
    cards: asyncio.subprocess.Process
    targets: tuple[str, ...]
    """Where the daemons serve metrics."""

    def is_seen(self) -> bool:
        """Whether all daemons were read, so that what comes now is seen to rise."""
        return len(self.prometheus.values("ftd_zygote_up == 1")) == len(self.targets)

    def report_xid(self) -> None:
        """Have a card report an error."""
        self.cards.send_signal(signal.SIGUSR1)


@contextlib.asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """Start the daemons and Prometheus; end them, and every job, when the block ends."""
    targets = tuple(f"127.0.0.1:{free_port()}" for _ in range(3))
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(_serving(folder / devices[:3], devices, target))
            for devices, target in zip(("sim:2x4GiB", "cpu"), targets, strict=False)
        ]
        yield Scene(
            cards=await stack.enter_async_context(_cards(folder / "cards", targets[2])),
            prometheus=await stack.enter_async_context(prometheus(folder, targets)),
            simulated=clients[0],
            processor=clients[1],
            targets=targets,
        )


def digits(name: str, *, epochs: int = 2, **changes: Any) -> dict[str, Any]:
    """Return a job that learns digits: short, unless it is told otherwise."""
    return {
        "name": name,
        "data": {"digits": {"val_share": 0.3, "split_seed": 0}},
        "model": {"cnn": {"channels": [16, 32, 64], "pool": 2}},
        "train": {
            "seed": 0, "epochs": epochs, "batch_size": 32,
            "optimizer": {"adamw": {"lr": 3e-3}},
        },
        "outputs": [],
        **changes,
    }  # fmt: skip


def diverging(name: str) -> dict[str, Any]:
    """Return a job that fails: its learning rate soon goes beyond what a float holds."""
    job = digits(name, epochs=4)
    job["train"] |= {
        "optimizer": {"sgd": {"lr": 1e-12}}, "schedule": {"step": {"every": 1, "gamma": 1e20}},
    }  # fmt: skip
    return job


async def submit(client: AsyncClient, *jobs: dict[str, Any]) -> list[AsyncJobHandle]:
    """Submit jobs in their order."""
    return [await client.submit(job) for job in jobs]


@contextlib.asynccontextmanager
async def _serving(folder: Path, devices: str, target: str) -> AsyncIterator[AsyncClient]:
    await asyncio.to_thread(folder.mkdir)
    environment = {**os.environ, "FTD_DEVICES": devices, "FTD_METRICS": target}
    async with daemon.running(folder / "state", environment=environment) as running:
        yield running.client
        await _end_all(running.client)


async def _end_all(client: AsyncClient) -> None:
    async for job in client.list():
        if not job.state.is_terminal:
            await client.cancel(job.id)
            await client.wait(job.id)


@contextlib.asynccontextmanager
async def _cards(folder: Path, target: str) -> AsyncIterator[asyncio.subprocess.Process]:
    await asyncio.to_thread(folder.mkdir)
    with (folder / "daemon.log").open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.observe.cards", "serve"),
            *("--state", str(folder / "state"), "--socket", str(folder / "ftd.sock")),
            *("--devices", "nvidia", "--metrics", target),
            stdout=out, stderr=out,
        )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
