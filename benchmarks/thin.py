"""How thin the client is: the plain wheel in a clean environment, its size and its start.

Run as `python -m benchmarks.thin`. Fails where the wheel brings what belongs to the daemon.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from benchmarks.table import CHECKOUT, Row, at_most, finish, spread

TITLE = "Thin client"
ABSENT = ("torch", "torchvision", "numpy", "pydantic", "sqlalchemy", "structlog")
RUNS = 10


def measure() -> list[Row]:
    """Build the wheel, install it plainly, and measure what came."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "venv")
        wheel = build(Path(folder))
        venv.create(home, with_pip=True)
        empty = size_bytes(home)
        install(home, wheel)
        installed = size_bytes(home) - empty
        present = brought(home)
        starts = [seconds_of([str(home / "bin/ftctl"), "--help"]) for _ in range(RUNS + 1)][1:]
        bare = [seconds_of([str(home / "bin/python"), "-c", ""]) for _ in range(RUNS)]
        return [
            Row(what="the wheel itself", value=f"{wheel.stat().st_size / 1e3:.0f} kB"),
            at_most("installed, compiled files included", installed / 1e6, 60, "MB"),
            at_most("`ftctl --help`, median of 10", statistics.median(starts) * 1000, 150, "ms"),
            Row(what="`ftctl --help`, spread", value=spread(starts)),
            Row(what="the bare interpreter, for comparison", value=spread(bare)),
            Row(
                what=f"of {', '.join(ABSENT)}",
                value=f"brings {', '.join(present) or 'none'}",
                goal="none",
                holds=not present,
            ),
        ]


def build(place: Path) -> Path:
    """Return the wheel of this checkout, built in a folder."""
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)])
    return next(place.glob("*.whl"))


def install(home: Path, wheel: Path) -> None:
    """Install the wheel without any extra, at the pinned versions."""
    pins = str(CHECKOUT / "constraints.txt")
    run([str(home / "bin/python"), "-m", "pip", "install", "-q", "-c", pins, str(wheel)])


def brought(home: Path) -> list[str]:
    """Return which of the packages that must be absent can be found."""
    code = "import importlib.util as u, sys; print(*(n for n in sys.argv[1:] if u.find_spec(n)))"
    return run([str(home / "bin/python"), "-c", code, *ABSENT]).split()


def size_bytes(folder: Path) -> int:
    """Return what the files of a folder hold."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def seconds_of(command: list[str]) -> float:
    """Return how long a command runs."""
    begin = time.perf_counter()
    run(command)
    return time.perf_counter() - begin


def run(command: list[str]) -> str:
    """Run a command away from the checkout's own environment; return what it prints."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=CHECKOUT, env=plain, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(finish(TITLE, measure()))
