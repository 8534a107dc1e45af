"""Thousands of short jobs through one daemon and one zygote: does either keep anything?

Run as `python -m tests.chaos.soak [JOBS]`; prints what both hold after the first hundred jobs
and after the last. Jobs train one step; some of them fail in their plan, some are cancelled.
"""

import asyncio
import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from ftctl import JobState
from tests.e2e.recipes import small
from tests.e2e.serving import Serving, serving
from tests.photos import make_photo_folder
from tests.wait import wait_until

JOBS = 2000
SETTLED = 100
"""Jobs after which all has been done once: caches are warm, pools are full."""
AT_ONCE = 4
FAILS_EVERY, CANCELLED_EVERY = 20, 7
# Threads of pools come when all others are busy, which may be late; they are a few at most.
MOST_GROWTH = {"rss_bytes": 8 * 2**20, "threads": 4}
"""Of the resident memory from the first hundred on: SQLite's three connections keep up to 2 MiB of
pages each, and the file of 2,000 jobs has more than that of 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a process holds."""

    rss_bytes: int
    threads: int
    files: int
    watches: int
    """Files watched by inotify."""
    children: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Soaked:
    """What was measured."""

    jobs: int
    first: Mapping[str, Held]
    """`daemon` and `zygote` after the jobs in which all settled."""
    last: Mapping[str, Held]
    ends: Mapping[JobState, int]
    zygotes: int
    """Zygotes that there were: one, or the daemon had to start another."""
    seconds: float

    def table(self) -> Iterator[str]:
        """Yield the lines of a table."""
        yield f"{'':<20}{'at first':>14}{f'after {self.jobs}':>14}"
        for who, what, first, last in self.figures():
            yield f"{who + ' ' + what:<20}{first:>14,}{last:>14,}"
        ends = ", ".join(f"{count} {state.name}" for state, count in self.ends.items())
        yield f"{self.jobs} jobs in {self.seconds:.0f} s: {ends}; zygotes: {self.zygotes}"

    def figures(self) -> Iterator[tuple[str, str, int, int]]:
        """Yield whose figure, which, how much at first and at last."""
        for who, first in self.first.items():
            for field in fields(Held):
                last = getattr(self.last[who], field.name)
                yield who, field.name, getattr(first, field.name), last

    def leaks(self) -> list[str]:
        """Return what has grown."""
        return [
            f"{who} {what}: {first:,} -> {last:,}"
            for who, what, first, last in self.figures()
            if last > first + MOST_GROWTH.get(what, 0)
        ]


async def soak(folder: Path, *, jobs: int = JOBS, settled: int = SETTLED) -> Soaked:
    """Send jobs through a daemon of their own; return what it holds at first and at last."""
    photos = make_photo_folder(folder / "photos", per_class=4)
    async with serving(folder / "state", devices=f"sim:{AT_ONCE}x16GiB") as daemon:
        pair = _Pair(daemon)
        begin = time.monotonic()
        # Threads of pools come when all others are busy: have them all come now.
        await asyncio.gather(*(daemon.client.daemon() for _ in range(64)))
        ends = await _run(daemon.client, photos, range(settled))
        first = await pair.held()
        ends += await _run(daemon.client, photos, range(settled, jobs))
        last = await pair.held()
        return Soaked(
            jobs=jobs, first=first, last=last, ends=ends, zygotes=1 + pair.other_zygotes,
            seconds=time.monotonic() - begin,
        )  # fmt: skip


async def _run(client: Any, photos: Path, numbers: range) -> Counter[JobState]:
    """Run jobs, a few at a time, each watched to its end; count the ends."""
    ends: Counter[JobState] = Counter()
    waiting = iter(numbers)

    async def work() -> None:
        for number in waiting:
            ends[await _one(client, photos, number)] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(work())
    return ends


async def _one(client: Any, photos: Path, number: int) -> JobState:
    handle = await client.submit(_job(photos, number))
    if number % CANCELLED_EVERY == 0:
        async for _ in handle.watch():
            break
        await handle.cancel()
    state: JobState = (await handle.wait()).state
    return state


def _job(photos: Path, number: int) -> dict[str, Any]:
    job = small(photos, epochs=1, max_steps=1, seed=number // 10)
    job["data"]["workers"] = 0
    job["outputs"] = []
    if number % FAILS_EVERY == 1:
        job["data"]["folder"]["path"] = str(photos / "gone")
    return job


class _Pair:
    """A daemon and its zygote, looked at from outside."""

    def __init__(self, daemon: Serving) -> None:
        self._daemon = psutil.Process(daemon.process.pid)
        self._zygote = self._find()
        self.other_zygotes = 0

    async def held(self) -> dict[str, Held]:
        """Return what both hold as soon as no job's process is left."""
        if (now := self._find()) != self._zygote:
            self._zygote, self.other_zygotes = now, self.other_zygotes + 1
        await wait_until(lambda: len(self._zygote.children()) <= 1 and self._is_still())
        return {"daemon": held(self._daemon), "zygote": held(self._zygote)}

    def _is_still(self) -> bool:
        return not held(self._daemon).watches

    def _find(self) -> psutil.Process:
        (zygote,) = [
            each for each in self._daemon.children() if "zygote" in " ".join(each.cmdline())
        ]
        return zygote


def held(process: psutil.Process) -> Held:
    """Return what a process holds now."""
    with process.oneshot():
        return Held(
            rss_bytes=process.memory_info().rss,
            threads=process.num_threads(),
            files=process.num_fds(),
            watches=sum(_watches(process.pid)),
            children=len(process.children()),
        )


def _watches(pid: int) -> Iterator[int]:
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            yield entry.read_text().count("inotify wd:")


def main() -> int:
    """Soak, print the table; return 1 where something leaks."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else JOBS
    with TemporaryDirectory(prefix="soak-") as folder:
        soaked = asyncio.run(soak(Path(folder), jobs=jobs, settled=min(SETTLED, jobs // 2)))
    print(*soaked.table(), *soaked.leaks(), sep="\n")
    return 1 if soaked.leaks() or soaked.zygotes > 1 else 0


if __name__ == "__main__":
    sys.exit(main())
