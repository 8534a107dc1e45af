"""What the daemon costs while nothing happens, with one watcher.

Run as `python -m benchmarks.idle`. A watcher needs a job that has not ended, so one is started
and its worker stopped by SIGSTOP: it holds the device and does nothing.
"""

import asyncio
import contextlib
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.material import first_step, job, material
from benchmarks.table import Row, at_most, finish
from examples.demo.daemon import Running, running

TITLE = "Idle daemon"
SECONDS = 60.0
SETTLE_S = 5.0


def measure() -> list[Row]:
    """Measure an idle daemon."""
    with TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[Row]:
    given = material(folder)
    async with running(folder / "state", environment=given.environment()) as daemon:
        handle = await daemon.client.submit(job(given.photos, seed=0))
        await first_step(daemon.client, handle.id)
        me = psutil.Process(daemon.process.pid)
        zygote = _zygote(me)
        (waiting,) = [each for each in zygote.children() if "spare" in _title(each)]
        workers = [each for each in zygote.children(recursive=True) if "spare" not in _title(each)]
        async with asyncio.TaskGroup() as group:
            watcher = group.create_task(_watch(daemon, handle.id), name="watcher")
            for worker in workers:
                worker.suspend()
            await asyncio.sleep(SETTLE_S)
            rows = await _figures(me, zygote)
            rows += [
                Row(what=f"{_title(each)} beside it, resident", value=_resident(each))
                for each in waiting.children()
            ]
            for worker in workers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.resume()
            await handle.cancel()
            await watcher
    return rows


async def _figures(daemon: psutil.Process, zygote: psutil.Process) -> list[Row]:
    before, begin = sum(daemon.cpu_times()[:2]), time.monotonic()
    await asyncio.sleep(SECONDS)
    share = (sum(daemon.cpu_times()[:2]) - before) / (time.monotonic() - begin)
    torch = sum("torch" in mapped.path for mapped in daemon.memory_maps())
    full = zygote.memory_full_info()
    return [
        at_most(f"CPU of one core over {SECONDS:.0f} s", share * 100, 0.5, "%", digits=2),
        at_most("resident memory", daemon.memory_info().rss / 1e6, 150, "MB"),
        Row(what="mapped files of torch", value=str(torch), goal="0", holds=torch == 0),
        Row(what="the zygote beside it, resident", value=f"{full.rss / 1e6:.0f} MB"),
        Row(what="the zygote beside it, proportional", value=f"{full.pss / 1e6:.0f} MB"),
    ]


def _resident(process: psutil.Process) -> str:
    return f"{process.memory_info().rss / 1e6:.0f} MB"


def _title(process: psutil.Process) -> str:
    return " ".join(process.cmdline()).strip()


def _zygote(daemon: psutil.Process) -> psutil.Process:
    for child in daemon.children():
        if "zygote" in " ".join(child.cmdline()):
            return child
    raise SystemExit("the daemon has no zygote")


async def _watch(daemon: Running, name: str) -> None:
    async for _ in daemon.client.watch(name):
        pass


if __name__ == "__main__":
    sys.exit(finish(TITLE, measure()))
