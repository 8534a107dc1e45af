"""How much memory a tree of processes holds, shared pages counted once (PSS), seen from outside."""

import contextlib
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

LOOK_S = 0.5


class Footprint:
    """Watches a process and all beneath it inside the block."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="footprint")
        self.peak_mb = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_S):
            with contextlib.suppress(psutil.NoSuchProcess):
                tree = [self._root, *self._root.children(recursive=True)]
                self.peak_mb = max(self.peak_mb, sum(pss_mb(each.pid) for each in tree))


def pss_mb(pid: int) -> float:
    """Return a process's share of memory in megabytes; 0 where it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0
