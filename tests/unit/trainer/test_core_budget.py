"""A job keeps to its cores: its threads and its loaders do not get into each other's way."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil

from fttrain import events
from fttrain.spec import rundir
from tests.photos import make_photo_folder

CORES = min(2, len(os.sched_getaffinity(0)))
_LOOK_S = 0.005
_BESIDE = 0.25
"""What loaders may add on average: they begin a batch while the net computes another."""


def job(photos: Path) -> dict[str, object]:
    return {
        "data": {
            "folder": {"path": str(photos)},
            "preprocess": {"resize": 88, "crop": 80, "mean": [0.5] * 3, "std": [0.25] * 3},
            "augment": ["horizontal_flip"],
            # Read in each epoch, by a process of its own.
            "cache": "none",
            "workers": 1,
        },
        "model": {"cnn": {"channels": [16, 32, 64]}},
        "train": {"epochs": 12, "batch_size": 8, "optimizer": {"sgd": {"lr": 0.01}}},
        "outputs": [],
    }


def states(process: psutil.Process) -> Iterator[str]:
    """Yield what each thread of a process and of all beneath it does."""
    for each in [process, *process.children(recursive=True)]:
        for stat in Path(f"/proc/{each.pid}/task").glob("*/stat"):
            yield stat.read_text().rpartition(") ")[2][0]


def is_training(run_dir: Path) -> bool:
    told = events.read(run_dir / rundir.JOURNAL)[0] if (run_dir / rundir.JOURNAL).exists() else []
    return any(isinstance(entry.record, events.Steps) for entry in told)


def runnable(process: psutil.Process, run_dir: Path) -> list[int]:
    """Count the threads that run or could, again and again, from the first step to the end."""
    counts, tick = list[int](), threading.Event()
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        try:
            if counts or is_training(run_dir):
                counts.append(sum(state == "R" for state in states(process)))
        except (OSError, psutil.NoSuchProcess):
            pass
        tick.wait(_LOOK_S)
    return counts


def test_no_more_threads_want_to_run_than_the_job_has_cores(tmp_path: Path) -> None:
    photos = make_photo_folder(tmp_path / "photos", per_class=32)
    file, run_dir = tmp_path / "job.json", tmp_path / "run"
    file.write_text(json.dumps(job(photos)))
    command = (sys.executable, "-m", "fttrain", "run", str(file), "--out", str(run_dir))
    child = subprocess.Popen([*command, "--cpus", str(CORES)], stdout=subprocess.DEVNULL)
    try:
        counts = runnable(psutil.Process(child.pid), run_dir)
    finally:
        child.kill()
        child.wait()
    planned = json.loads((run_dir / rundir.PLAN).read_text())
    assert (planned["threads"], planned["loader_workers"]) == (CORES, 1)
    assert len(counts) > 50
    print(f"\n{sum(counts) / len(counts):.2f} threads on average, {max(counts)} at most")
    assert sum(counts) / len(counts) <= CORES + _BESIDE
