"""Failures provoked for real, each in a job of its own, all of one daemon at once."""

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from ftctl import Job
from fttrain.events import EpochEnded
from fttrain.spec import rundir
from tests.e2e.recipes import digits, small
from tests.e2e.serving import Serving, records, serving
from tests.photos import damage_within, make_photo_folder
from tests.wait import wait_until

STALL_S = 4
_GROUPS = {
    Path("/sys/fs/cgroup/memory"): "memory.limit_in_bytes",
    Path("/sys/fs/cgroup"): "memory.max",
}
"""Where control groups are made, and the file that limits their memory."""
_LITTLE = 16 << 20
"""Less than any worker takes to begin."""
_HEADROOM = 1400 << 20
"""What a worker may take beyond what a fresh one has: enough for 8 large images, not for 64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A daemon, and where jobs find their images."""

    daemon: Serving
    photos: Path
    """A folder for each job that touches its images."""
    left: list[Path] = field(default_factory=list)
    """Control groups to remove."""

    async def submit(self, job: Mapping[str, Any], *, until_epoch: int = 1) -> str:
        """Submit a job; return its id once it has trained so many epochs."""
        handle = await self.daemon.client.submit(dict(job))
        if until_epoch:
            await self.until_epoch(handle.id, until_epoch)
        return handle.id

    async def until_epoch(self, job_id: str, epoch: int) -> None:
        while True:
            job = await self.daemon.client.get(job_id)
            assert not job.state.is_terminal, job.outcome
            if job.run_dir and any(
                isinstance(each, EpochEnded) and each.epoch >= epoch for each in records(job)
            ):
                return
            await asyncio.sleep(0.05)

    async def worker(self, job_id: str) -> psutil.Process:
        """Return the worker of a job's present attempt."""
        shim = await self.shim(job_id)
        await wait_until(lambda: bool(shim.children()))
        return shim.children()[0]

    async def shim(self, job_id: str) -> psutil.Process:
        job = await self.daemon.client.get(job_id)
        identity = rundir.read_shim(Path(job.run_dir))
        assert identity is not None
        return psutil.Process(identity.pid)

    async def end(self, job_id: str) -> Job:
        """Return a job once it has ended."""
        await self.daemon.client.wait(job_id, timeout_s=300)
        return await self.daemon.client.get(job_id)

    async def until_backing_off(self, job_id: str) -> Job:
        while True:
            job = await self.daemon.client.get(job_id)
            if job.retry_time is not None:
                return job
            assert not job.state.is_terminal, job.outcome
            await asyncio.sleep(0.05)

    def folder(self, name: str, **sizes: Any) -> Path:
        """Make a folder of photos."""
        return make_photo_folder(self.photos / name, **sizes)


@contextlib.asynccontextmanager
async def stage(folder: Path, *, metrics: str = "off") -> AsyncIterator[Stage]:
    """Start a daemon on which all of these jobs run at once; `metrics` says where they are read."""
    settings = {
        "devices": "sim:16x16GiB", "stall_after": str(STALL_S), "reserve": "0",
        "metrics": metrics,
    }  # fmt: skip
    async with serving(folder / "state", **settings) as daemon:
        made = Stage(daemon=daemon, photos=folder)
        try:
            yield made
        finally:
            for group in made.left:
                with contextlib.suppress(OSError):
                    group.rmdir()


# --- one scenario each: the job as it has ended -----------------------------------------------


async def killed(stage: Stage) -> Job:
    """Somebody sends kill -9."""
    job_id = await stage.submit(digits("killed", epochs=80))
    (await stage.worker(job_id)).kill()
    return await stage.end(job_id)


async def crashed(stage: Stage) -> Job:
    """Native code goes wrong."""
    job_id = await stage.submit(digits("crashed", epochs=80))
    (await stage.worker(job_id)).send_signal(signal.SIGSEGV)
    return await stage.end(job_id)


async def stopped(stage: Stage) -> Job:
    """The worker hangs: it is stopped and never let go on."""
    job_id = await stage.submit(digits("stopped", epochs=80))
    (await stage.worker(job_id)).suspend()
    return await stage.end(job_id)


async def blocked(stage: Stage) -> Job:
    """An image can be opened and never be read, as on a network disk that hangs."""
    photos = stage.folder("blocked", per_class=8)
    image = sorted((photos / "train").rglob("*.jpg"))[0]
    job = small(photos, name="blocked", epochs=40)
    job["data"] |= {"workers": 1, "cache": "none"}
    job_id = await stage.submit(job)
    aside, fifo = image.with_suffix(".aside"), image.with_suffix(".fifo")
    os.link(image, aside)
    os.mkfifo(fifo)
    fifo.replace(image)  # It is there all the time.
    await stage.until_backing_off(job_id)
    aside.replace(image)
    return await stage.end(job_id)


async def without_a_loader(stage: Stage) -> Job:
    """A process that loads images is killed."""
    job = small(stage.folder("loader", per_class=8), name="without-a-loader", epochs=80)
    job["data"]["workers"] = 1
    job_id = await stage.submit(job)
    loaders = (await stage.worker(job_id)).children()
    loaders[0].kill()
    return await stage.end(job_id)


async def out_of_memory(stage: Stage) -> Job:
    """The kernel ends the worker: its control group has no more memory."""
    group = _with_little_memory(stage)
    async with _alone(stage, "group") as (daemon, waiting):
        for process in waiting[1:]:
            (group / "cgroup.procs").write_text(str(process.pid))
        return await _run(daemon, digits("out-of-memory"))


async def with_less_memory(stage: Stage) -> Job:
    """An allocation is refused, by a limit that holds for all attempts of its daemon."""
    photos = stage.folder("large", per_class=32, size=(64, 48), val_per_class=2)
    job = small(photos, name="with-less-memory", epochs=1, batch_size=64, trains=NO_NORM)
    job["data"]["preprocess"] |= {"resize": 320, "crop": 320}
    job["data"]["workers"] = 0
    job |= {"model": {"cnn": {"channels": [16], "pool": 0}}, "outputs": [], "retries": 6}
    async with _alone(stage, "less") as (daemon, waiting):
        size = waiting[0].memory_info().vms + _HEADROOM
        for process in waiting:
            resource.prlimit(process.pid, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
        return await _run(daemon, job)


def _with_little_memory(stage: Stage) -> Path:
    """Make a control group with too little memory for a worker, of version 1 or 2."""
    why = "there are none"
    for folder, limit in _GROUPS.items():
        group = folder / f"ft-failures-{os.getpid()}"
        try:
            group.mkdir()
            stage.left.append(group)
            with (group / limit).open("r+") as file:
                file.write(str(_LITTLE))
        except OSError as error:
            why = str(error)
        else:
            return group
    pytest.skip(f"no control group with a limit of memory can be made here: {why}")


@contextlib.asynccontextmanager
async def _alone(stage: Stage, name: str) -> AsyncIterator[tuple[Serving, list[psutil.Process]]]:
    """Start a daemon of its own; yield it, its zygote, and the shim and worker that wait."""
    folder = stage.photos / name
    folder.mkdir()
    async with serving(folder / "state", devices="cpu:2", reserve="0") as daemon:
        zygote = psutil.Process(daemon.process.pid).children()[0]
        await wait_until(lambda: len(zygote.children(recursive=True)) == 2)
        yield daemon, [zygote, *zygote.children(recursive=True)]


async def _run(daemon: Serving, job: Mapping[str, Any]) -> Job:
    handle = await daemon.client.submit(dict(job))
    await daemon.client.wait(handle.id, timeout_s=300)
    return await daemon.client.get(handle.id)


async def diverged(stage: Stage) -> Job:
    """The loss is no number."""
    job = digits("diverged", epochs=4)
    job["train"] |= {
        "optimizer": {"sgd": {"lr": 1e-30}}, "schedule": {"step": {"every": 1, "gamma": 1e30}}
    }  # fmt: skip
    return await stage.end(await stage.submit(job, until_epoch=0))


async def with_bad_data(stage: Stage) -> Job:
    """More images are damaged than may be, and show it only when they are read whole."""
    photos = stage.folder("damaged", per_class=8)
    damage_within(photos / "train" / "squares" / "002.jpg")
    job = small(photos, name="with-bad-data", epochs=2)
    return await stage.end(await stage.submit(job, until_epoch=0))


async def overdue(stage: Stage) -> Job:
    """It runs for too long."""
    job = digits("overdue", epochs=100_000, timeout="6s")
    return await stage.end(await stage.submit(job, until_epoch=0))


NO_NORM = ["type:Conv2d", "head"]
SCENARIOS = (
    killed, crashed, stopped, blocked, without_a_loader, out_of_memory, with_less_memory,
    diverged, with_bad_data, overdue,
)  # fmt: skip
