"""Runs jobs of ours: by `ftctl submit` through a daemon of their own, or by the engine alone."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from benchmarks.material import Material
from benchmarks.speed.footprint import Footprint
from benchmarks.speed.samples import Sample
from benchmarks.table import CHECKOUT
from examples.demo.daemon import Running
from fttrain import events
from fttrain.spec import rundir

_WARM: Mapping[str, Any] = {
    "data": {
        "fake": {"classes": 2, "train": 8, "val": 4, "side": 8},
        "preprocess": {"mean": [0.5] * 3, "std": [0.25] * 3},
    },
    "model": {"cnn": {"channels": [4], "pool": 2}},
    "train": {"epochs": 1, "batch_size": 4, "optimizer": {"sgd": {"lr": 0.1}}},
    "outputs": [],
}


async def warm(daemon: Running) -> None:
    """Run a job of nothing, so that the zygote is there: the daemon has run for a while."""
    handle = await daemon.client.submit(_WARM)
    (await handle.wait()).check()


async def submitted(
    daemon: Running,
    job: Mapping[str, Any],
    *,
    name: str,
    folder: Path,
    is_cached: bool = False,
    is_weighed: bool = True,
) -> Sample:
    """Run a job from typing `ftctl submit` to SUCCEEDED; look at its memory, or not."""
    file = folder / f"{name}.json"
    file.write_text(json.dumps({"name": name, **job}))
    footprint = Footprint(daemon.process.pid)
    with footprint if is_weighed else nullcontext():
        begun = time.perf_counter()
        ftctl = Path(sys.executable).with_name("ftctl")
        await _done(str(ftctl), "submit", str(file), "--socket", str(daemon.socket))
        done = await daemon.client.wait(name)
        whole_s = time.perf_counter() - begun
    run_dir = Path(done.check().run_dir)
    ended = json.loads((run_dir / rundir.EXIT).read_text())
    return _sample(
        run_dir, whole_s=whole_s, peak_mb=footprint.peak_mb, is_cached=is_cached,
        cpu_s=ended["user_s"] + ended["system_s"],
    )  # fmt: skip


async def alone(job: Mapping[str, Any], *, given: Material, folder: Path) -> Sample:
    """Run a job by the engine, without a daemon."""
    file, run_dir = folder / "alone.json", folder / "alone"
    file.write_text(json.dumps(job))
    begun = time.perf_counter()
    command = (sys.executable, "-m", "fttrain", "run", str(file), "--out", str(run_dir))
    await _done(*command, environment=given.environment())
    return _sample(run_dir, whole_s=time.perf_counter() - begun)


async def _done(*command: str, environment: Mapping[str, str] | None = None) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=CHECKOUT,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, complaint = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}: {complaint.decode()}")


def _sample(run_dir: Path, *, is_cached: bool = False, **measured: float) -> Sample:
    plan = json.loads((run_dir / rundir.PLAN).read_text())
    entries, _ = events.read(run_dir / rundir.JOURNAL)
    ended = [
        (entry.time, entry.record)
        for entry in entries
        if isinstance(entry.record, events.EpochEnded) and entry.record.epoch > 0
    ]
    scores = [record.val for _, record in ended if record.val is not None]
    return Sample(
        version=f"finetuned, torch {plan['environment']['torch']}",
        workers=plan["loader_workers"],
        precision=computed_in(plan, is_cached=is_cached),
        layout=plan["layout"],
        images=plan["data"]["train"]["images"],
        epochs_s=intervals(first_epoch(entries), [when for when, _ in ended]),
        correct=[score.correct for score in scores],
        count=scores[0].count,
        **measured,
    )


def computed_in(plan: Mapping[str, Any], *, is_cached: bool) -> str:
    """Return a plan's precision, and what was kept of images, by this job or one before."""
    features, pictures = plan.get("features") or {}, plan.get("pictures") or {}
    if features.get("views"):
        return f"{plan['precision']}, {'cached before' if is_cached else 'cached'}"
    return f"{plan['precision']}, images cached" if pictures.get("is_kept") else plan["precision"]


def first_epoch(entries: list[events.Entry]) -> float:
    """Return when the first epoch began to train."""
    return next(
        entry.time
        for entry in entries
        if isinstance(entry.record, events.PhaseChanged) and entry.record.phase == "training"
    )


def intervals(begun: float, ends: list[float]) -> list[float]:
    """Return how long each took, from the end of the one before: evaluation and all."""
    return [end - before for before, end in zip([begun, *ends], ends, strict=False)]
