"""A daemon for a measurement, over a state directory of its own, and the photos it trains on."""

import asyncio
import contextlib
import os
import sys
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.table import CHECKOUT
from ftctl import Client, DaemonUnreachable, ProgressMade

START_S = 60.0
LOOK_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Photos, and a cache in which torchvision finds its weights."""

    photos: Path
    torch_home: Path

    def environment(self) -> dict[str, str]:
        """Return the environment in which torchvision finds its weights."""
        return {**os.environ, "TORCH_HOME": str(self.torch_home)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A running daemon and a client that is connected to it."""

    client: Client
    pid: int
    socket: Path


def material(folder: Path) -> Material:
    """Unpack the photos and lay out the weights, from the folder with test material."""
    shared = Path(os.environ.get("FINETUNED_TEST_DATA", CHECKOUT.parent / "shared"))
    archive = shared / "data/hymenoptera_data.tar"
    if not archive.exists():
        raise SystemExit(f"no photos at {archive}; set FINETUNED_TEST_DATA")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    cache = folder / "torch/hub/checkpoints"
    cache.mkdir(parents=True)
    for weights in (shared / "weights").iterdir():
        (cache / weights.name).symlink_to(weights.absolute())
    return Material(photos=folder / "hymenoptera_data", torch_home=folder / "torch")


def job(photos: Path, *, seed: int) -> dict[str, Any]:
    """Return the measured job: the whole MobileNetV2 on mirrored photos, batch 8."""
    return {
        "data": {"folder": {"path": str(photos)}, "augment": ["horizontal_flip"]},
        "model": {"name": "mobilenet_v2", "weights": "IMAGENET1K_V1"},
        "train": {
            "seed": seed,
            "epochs": 25,
            "batch_size": 8,
            "optimizer": {"sgd": {"lr": 1e-3, "momentum": 0.9}},
            "schedule": {"step": {"every": 7, "gamma": 0.1}},
        },
    }


@contextlib.asynccontextmanager
async def serving(folder: Path, environment: dict[str, str]) -> AsyncIterator[Serving]:
    """Start `ftd serve` and connect; end it when the block ends."""
    with TemporaryDirectory(prefix="ftd-") as short:  # a socket's path is short by law
        socket = Path(short, "ftd.sock")
        with (folder / "daemon.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ftd", "serve"),
                *("--state", str(folder / "state"), "--socket", str(socket)),
                env=environment, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            async with await _connected(socket, process) as client:
                yield Serving(client=client, pid=process.pid, socket=socket)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _connected(socket: Path, process: asyncio.subprocess.Process) -> Client:
    async with asyncio.timeout(START_S):
        while process.returncode is None:
            with contextlib.suppress(DaemonUnreachable):
                async with Client(socket):
                    return Client(socket)
            await asyncio.sleep(LOOK_S)
    raise SystemExit("the daemon did not start")


async def first_step(client: Client, name: str) -> None:
    """Return when a client has learned that a step of the job is finished."""
    async for event in client.watch(name):
        if isinstance(event, ProgressMade) and event.progress.step >= 1:
            return
    standing = await client.get(name)
    raise SystemExit(f"job {name} ended without a step: {standing.outcome}")
