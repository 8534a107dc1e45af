"""Each error of a worker has a reason to program against, and says what to do."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fttrain import failing
from fttrain.data.loaders import LoaderDied
from fttrain.events import Failed
from fttrain.spec import halving, rundir
from tests import engine

CUDA = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 139.81 GiB of "
    "which 1.06 GiB is free. Of the allocated memory 137.00 GiB is allocated by PyTorch."
)
ALLOCATOR = (
    "[enforce fail at alloc_cpu.cpp:119] err == 0. DefaultCPUAllocator: can't allocate memory: you "
    "tried to allocate 268435456 bytes. Error code 12 (Cannot allocate memory)"
)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return engine.prepare(tmp_path / "run", engine.digits(batch_size=16))


def test_a_full_device_names_the_batch_and_what_would_fit(run_dir: Path) -> None:
    failed = failing.told(torch.OutOfMemoryError(CUDA), run_dir)

    assert failed == Failed(
        reason="out_of_memory",
        message="The device's memory ran out: CUDA out of memory. Tried to allocate 2.00 GiB. GPU "
        "0 has a total capacity of 139.81 GiB of which 1.06 GiB is free. Batches had 16 images.",
        remedy="Say train.batch_size: 8 and train.accumulate: 2; submit again.",
        faults=[],
    )


def test_a_halved_batch_is_told_as_it_was_computed(tmp_path: Path) -> None:
    chosen = engine.digits(batch_size=15, accumulate=3)
    smaller = halving.halved(engine.planned(chosen))
    run_dir = engine.prepare(tmp_path / "run", chosen, smaller)

    failed = failing.told(RuntimeError("CUDA error: out of memory"), run_dir)

    assert failed.message == (
        "The device's memory ran out: CUDA error: out of memory Batches had 15 images, 8 of them "
        "at once."
    )
    assert failed.remedy == "Say train.batch_size: 4 and train.accumulate: 12; submit again."


def test_one_image_cannot_be_halved(tmp_path: Path) -> None:
    run_dir = engine.prepare(tmp_path / "run", engine.digits(batch_size=1, trains="head"))

    failed = failing.told(torch.OutOfMemoryError(CUDA), run_dir)

    assert failed.remedy == "Take smaller images or a smaller net; submit again."


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            RuntimeError(ALLOCATOR),
            "Memory ran out: DefaultCPUAllocator: can't allocate memory: you tried to allocate "
            "268435456 bytes. Error code 12 (Cannot allocate memory). Batches had 16 images.",
        ),
        (MemoryError(), "Memory ran out. Batches had 16 images."),
        (
            OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
            "Memory ran out: [Errno 12] Cannot allocate memory. Batches had 16 images.",
        ),
    ],
)
def test_refused_memory_of_the_host_is_told(run_dir: Path, error: Exception, told: str) -> None:
    failed = failing.told(error, run_dir)

    assert (failed.reason, failed.message) == ("host_out_of_memory", told)
    assert failed.remedy == "Say train.batch_size: 8 and train.accumulate: 2; submit again."


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_names_the_file(run_dir: Path, number: int) -> None:
    failed = failing.told(OSError(number, os.strerror(number), "/runs/1/last"), run_dir)

    assert failed.reason == "disk_full"
    assert failed.message == f"There is no room for /runs/1/last: {os.strerror(number)}."
    assert failed.remedy == "Make room: `ftctl delete` ended jobs, or remove other files."


@pytest.mark.parametrize(
    ("ended_by", "reason"),
    [
        (signal.SIGKILL, "killed_by_signal"),
        (signal.SIGSEGV, "crashed"),
        (signal.SIGBUS, "crashed"),
        (None, "worker_error"),
    ],
)
def test_a_loader_that_died_is_told_by_what_ended_it(
    run_dir: Path, ended_by: int | None, reason: str
) -> None:
    assert failing.told(LoaderDied("a loader", signal=ended_by), run_dir).reason == reason


def test_a_full_disk_leaves_its_exit_code_where_there_is_no_room_to_say_so(run_dir: Path) -> None:
    code = (
        "import os, pathlib, resource, signal, sys\n"
        "from fttrain import run\n"
        "os.dup2(os.open('/dev/full', os.O_WRONLY), 1)\n"
        "class Full:\n"
        "    def write(self, record):\n"
        "        raise OSError(28, os.strerror(28))\n"
        "run.Journal.write = Full.write\n"
        "sys.exit(run.run(pathlib.Path(sys.argv[1])))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run_dir)], capture_output=True, text=True, check=False
    )

    assert done.returncode == rundir.DISK_FULL, done.stderr


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_a_crash_leaves_the_stacks_of_all_threads(run_dir: Path, number: signal.Signals) -> None:
    code = (
        "import os, pathlib, sys, threading\n"
        "from fttrain import repeats, run\n"
        "def crash(*_):\n"
        "    threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "repeats.complete = crash\n"
        "run.run(pathlib.Path(sys.argv[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run_dir)], capture_output=True, text=True, check=False
    )

    assert done.returncode == -number
    assert "Fatal Python error: " in done.stderr
    assert done.stderr.count("hread 0x") == 2
    assert "in crash" in done.stderr


def test_memory_refused_by_a_limit_ends_a_real_run(tmp_path: Path) -> None:
    recipe = engine.parsed(
        {"digits": {"labels_per_class": 100}}, {"cnn": {"channels": [1024, 1024]}},
        {"batch_size": 512},
    )  # fmt: skip
    run_dir = engine.prepare(tmp_path / "run", recipe)
    code = (
        "import pathlib, resource, sys\n"
        "from fttrain import run\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20),) * 2)\n"
        "sys.exit(run.run(pathlib.Path(sys.argv[1])))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run_dir)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1, done.stderr
    failed = json.loads((run_dir / rundir.JOURNAL).read_text().splitlines()[-1])
    assert failed["reason"] == "host_out_of_memory", failed
    assert failed["message"].startswith("Memory ran out")
    assert failed["remedy"] == "Say train.batch_size: 256 and train.accumulate: 2; submit again."
