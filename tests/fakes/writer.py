"""Adds arrays to a shelf and stays: `python -m tests.fakes.writer FOLDER COUNT INDEXED_BYTES`.

An index names what was added once so many bytes are there.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fttrain.cache import segments
from fttrain.cache.segments import Key, Writer

REPOSITORY = Path(__file__).resolve().parents[2]


def key(number: int) -> Key:
    """Return the key of an array."""
    # NULs at the end, too: a key is all of its bytes.
    return number.to_bytes(8, "big") + bytes(8)


@contextmanager
def a_writer(
    folder: Path, *, arrays: int = 1, indexed_bytes: int = 1 << 30
) -> Iterator[subprocess.Popen[str]]:
    """Run a process that has added arrays of 100 bytes, and kill it at the end."""
    script = [sys.executable, "-m", __name__, str(folder), str(arrays), str(indexed_bytes)]
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "added\n"
        try:
            yield process
        finally:
            process.kill()


def main(folder: str, arrays: str, indexed_bytes: str) -> None:
    segments._INDEXED_BYTES = int(indexed_bytes)
    with Writer(Path(folder), np.dtype(np.uint8), lambda least: least) as writer:
        for number in range(int(arrays)):
            writer.add(key(number), np.full(100, number % 256, np.uint8))
        print("added", flush=True)
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
