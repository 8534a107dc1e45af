"""The real zygote and all its processes, but that each image file which is decoded is written down.

`zygote_that_counts.py READS FD RESERVE`: the one function through which every file becomes pixels
appends a line to READS, with who asked: planner, worker (and its loaders), predictor, evaluator.
"""

import os
import socket
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PIL import Image

from fttrain import openmp, zygote
from fttrain.data import decode
from fttrain.data.decode import PLAIN, Decoding

_role = "zygote"


def command(reads: Path) -> tuple[str, ...]:
    """Return how the zygote is started."""
    return (sys.executable, "-P", str(Path(__file__)), str(reads))


def reads(file: Path) -> list[tuple[str, Path]]:
    """Return who has read which file, in order."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [(role, Path(path)) for role, path in (line.split("\t") for line in lines)]


def counted(file: Path, beneath: Path) -> dict[str, Counter[str]]:
    """Return how often each role has read each file beneath a folder."""
    found: dict[str, Counter[str]] = {}
    for role, path in reads(file):
        if path.is_relative_to(beneath):
            found.setdefault(role, Counter())[str(path.relative_to(beneath))] += 1
    return found


def _counting(file: Path) -> None:
    plain = decode.picture

    def picture(path: Path, how: Decoding = PLAIN) -> Image.Image:
        place = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(place, f"{_role}\t{path}\n".encode())  # at once: lines never mix
        os.close(place)
        return plain(path, how)

    decode.picture = picture


def _as(role: str, main: Callable[[Path], int]) -> Callable[[Path], int]:
    def run(folder: Path) -> int:
        global _role
        _role = role
        return main(folder)

    return run


def _working(ahead: Callable[[], Callable[[Path], int]]) -> Callable[[Path], int]:
    return _as("worker", ahead())


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[2]))
    openmp.settle()
    from fttrain import evaluator, planner, plotter, predictor, run, similarity, warm

    warm.preload()
    _counting(Path(sys.argv[1]))
    mains = zygote.Mains(
        worker=partial(_working, partial(run.ahead, 0, lambda: False)),
        planner=_as("planner", planner.main),
        predictor=_as("predictor", predictor.main),
        plotter=_as("plotter", plotter.main),
        evaluator=_as("evaluator", evaluator.main),
        comparer=_as("comparer", similarity.main),
    )
    zygote.serve(connection, mains)


if __name__ == "__main__":
    main()
