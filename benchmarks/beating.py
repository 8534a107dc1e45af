"""A daemon whose jobs beat instead of training: they tell of an epoch every so often, for ever.

`python -m benchmarks.beating serve --state DIR --socket FILE`. All but the training is real: the
zygote, the shim, the journal, the store. BEAT_S is the time from epoch to epoch, BEAT_GROUPS the
number of learning rates that each tells, 8 bytes a piece.
"""

import argparse
import asyncio
import os
import sys
import time
from functools import partial
from pathlib import Path

from ftd.config import load
from ftd.server import serve, supervisor
from fttrain.events import EpochEnded, Score
from fttrain.journal import Journal
from fttrain.reserve import Reserve
from fttrain.spec import rundir

# It finds this package by PYTHONPATH.
ZYGOTE = (sys.executable, "-P", "-m", "benchmarks.beating")
SCORE = Score(
    loss=0.5, accuracy=0.5, correct=5, count=10, accuracy_low=0.2, accuracy_high=0.8,
)  # fmt: skip


def beat(
    run_dir: Path, card: rundir.AttemptCard, journal: Journal, reserve: Reserve | None
) -> None:
    """Do this in place of training, until the job is cancelled."""
    period_s, groups = float(os.environ["BEAT_S"]), int(os.environ["BEAT_GROUPS"])
    epoch, due = 0, time.monotonic()
    while True:
        epoch, due = epoch + 1, due + period_s
        time.sleep(max(due - time.monotonic(), 0))
        told = EpochEnded(
            epoch=epoch, step=epoch, train=SCORE, val=SCORE, lrs=[0.1] * groups,
            images_per_second=1.0, memory_bytes=1, seconds=period_s, best=epoch == 1,
        )  # fmt: skip
        journal.write(told)


def errand(folder: Path) -> int:
    """Accept every recipe, and make nothing else."""
    (folder / rundir.PLAN).write_text("{}")
    return 0


def main() -> None:
    """Serve as the daemon, or fork as its zygote."""
    if sys.argv[1] != "serve":
        _fork()
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beating")
    parser.add_argument("serve")
    parser.add_argument("--state")
    parser.add_argument("--socket")
    told = parser.parse_args()
    given = {"state": told.state, "socket": told.socket}
    asyncio.run(serve(load(given, os.environ), open_office=partial(supervisor, zygote=ZYGOTE)))


def _fork() -> None:
    import socket

    from fttrain import openmp, repeats, run, zygote

    openmp.settle()
    repeats.complete = beat
    mains = zygote.Mains(
        worker=partial(run.ahead, 0, lambda: False), planner=errand, predictor=errand,
        plotter=errand, evaluator=errand, comparer=errand,
    )  # fmt: skip
    zygote.serve(socket.socket(fileno=int(sys.argv[1])), mains)


if __name__ == "__main__":
    main()
