"""Runs a peer in its own environment, measured from outside."""

import asyncio
import resource
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.material import Material
from benchmarks.peers.task import Answer, Task
from benchmarks.speed.footprint import Footprint
from benchmarks.speed.samples import Sample
from benchmarks.table import CHECKOUT


async def run(task: Task, *, python: Path, given: Material, folder: Path) -> Sample:
    """Run a peer to its end."""
    asked, answer, log = (folder / name for name in ("task.json", "answer.json", "peer.log"))
    task.write(asked)
    before, begun = _cpu_s(), time.perf_counter()
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(str(python), "-m", "benchmarks.peers", str(asked), str(answer)),
            cwd=CHECKOUT, env=given.environment(), stdout=out, stderr=out,
        )  # fmt: skip
        with Footprint(process.pid) as footprint:
            code = await process.wait()
    whole_s = time.perf_counter() - begun
    if code:
        raise SystemExit(f"{task.peer} ended with {code}:\n{log.read_text()[-2000:]}")
    told = asdict(Answer.read(answer))
    return Sample(**told, whole_s=whole_s, peak_mb=footprint.peak_mb, cpu_s=_cpu_s() - before)


def _cpu_s() -> float:
    """Return the processor time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
