"""The real zygote, shim and worker, but that the worker writes down what it sees and trains not."""

import json
import os
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Any

from fttrain import events, openmp, zygote
from fttrain.journal import Journal
from fttrain.spec import rundir

SEEN = "seen.json"


def look(run_dir: Path, _card: object, journal: Journal, _reserve: object) -> None:
    """Do this in place of training, at the moment at which that would begin."""
    seen = {"environment": dict(os.environ), "cores": sorted(os.sched_getaffinity(0))}
    (run_dir / SEEN).write_text(json.dumps(seen))
    journal.write(events.Finished(best_epoch=1, best_accuracy=1.0))


def seen_by(run_dir: str) -> Any:
    """Return what the worker of a run directory saw: environment and cores."""
    return json.loads((Path(run_dir) / SEEN).read_text())


def planner(folder: Path) -> int:
    """Accept every recipe."""
    (folder / rundir.PLAN).write_text("{}")
    return 0


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    openmp.settle()
    from fttrain import repeats, run

    repeats.complete = look
    mains = zygote.Mains(
        worker=partial(run.ahead, 0, lambda: False), planner=planner, predictor=planner,
        plotter=planner, evaluator=planner, comparer=planner,
    )  # fmt: skip
    zygote.serve(connection, mains)


if __name__ == "__main__":
    main()
