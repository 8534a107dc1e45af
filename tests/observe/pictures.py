"""Draw docs/pictures/dashboard-*.png: run as `python -m tests.observe.pictures` (4 minutes).

Daemons and jobs are those of the test; Prometheus's answers are drawn by matplotlib.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from pathlib import Path

from deploy.grafana.picture import page
from deploy.grafana.picture.answers import Source
from ftctl import AsyncJobHandle, JobNotFound
from tests.observe.expressions import CHECKOUT
from tests.observe.scene import Scene, digits, diverging, scene, submit
from tests.wait import wait_until

FOLDER = CHECKOUT / "docs" / "pictures"
_SECONDS = 150.0
_NOISY = {"digits": {"val_share": 0.3, "split_seed": 0, "noise": 0.35}}


async def main() -> int:
    """Play, and draw what was seen."""
    with tempfile.TemporaryDirectory() as folder:
        async with scene(Path(folder)) as stage:
            await wait_until(stage.is_seen)
            begin = time.monotonic()
            job = await _play(stage, begin + _SECONDS)
            seconds = time.monotonic() - begin
            await asyncio.to_thread(_draw, stage, job, seconds)
    return 0


async def _play(stage: Scene, end: float) -> AsyncJobHandle:
    """Run jobs until a moment; return one that runs then, and has for long."""
    long = digits("noisy-digits", epochs=1400, data=_NOISY, resources={"memory": "1GiB"})
    long["train"]["optimizer"] = {"sgd": {"lr": 2e-3}}
    (job,) = await submit(stage.processor, long)
    await submit(stage.simulated, digits("clean-digits", epochs=3000, resources={"memory": "1GiB"}))
    await submit(stage.simulated, *(diverging(f"too-fast-{n}") for n in range(3)))
    stage.report_xid()
    for wave in range(1000):
        if time.monotonic() > end:
            break
        await _wave(stage, wave)
    return job


async def _wave(stage: Scene, wave: int) -> None:
    """Run a few jobs that share a device, now and then with the other one drained."""
    jobs = [
        digits(f"sweep-{wave}-{n}", epochs=8 + 4 * n, resources={"memory": "1.5GiB"})
        for n in range(5)
    ]
    handles = await submit(stage.simulated, *jobs)
    if wave % 3 == 1:
        await stage.simulated.drain_device("sim1", reason="lent to a colleague")
    await handles[1].wait()
    with contextlib.suppress(JobNotFound):
        await stage.simulated.get("nobody")
    await stage.simulated.resume_device("sim1")
    for handle in handles:
        await handle.wait()


def _draw(stage: Scene, job: AsyncJobHandle, seconds: float) -> None:
    FOLDER.mkdir(exist_ok=True)
    chosen = {"job_id": job.id, "name": job.name}
    for name in ("fleet", "job"):
        source = Source(url=stage.prometheus.url, seconds=seconds, chosen=chosen)
        page.draw(name, source, FOLDER / f"dashboard-{name}.png")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
