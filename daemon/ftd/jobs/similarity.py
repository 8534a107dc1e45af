"""Says how alike the nets of two jobs are: hands them to short-lived comparers, beside training."""

import asyncio
import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ftd.errors import ArtifactNotFound, DaemonError, EvaluatorUnavailable, InvalidRequest
from ftd.jobs import evaluating
from ftd.jobs.errands import Errand, Errands
from ftd.jobs.model import Job
from fttrain.spec import rundir

COMPARERS = 1
"""At a time: each has two nets in its memory, and their features."""
THREADS = 2
"""Of each: it runs beside training."""
COMPARE_S = 1800.0
"""128 images are seen in minutes; large nets beside training on every core take longer."""
IMAGES, MOST_IMAGES = 128, 1024
WHICH = ("best", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One of the two nets."""

    job: Job
    which: str
    net: Path

    @property
    def told(self) -> dict[str, str]:
        """What the comparer reads of it."""
        title = f"{self.job.name}/{self.which}"
        return {"title": title, "run_dir": self.job.run_dir, "net": str(self.net)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came of it."""

    body: Mapping[str, Any]
    """What the comparer tells, see `fttrain.similarity`."""
    png: bytes


class Forks(Protocol):
    """What makes comparers: a zygote."""

    async def compare(self, folder: Path) -> Errand:
        """Fork a comparer for a folder with a request. Raises ZygoteGone."""


def checkpoint_of(job: Job, which: str) -> Checkpoint:
    """Return a checkpoint of a job; it looks at the disk.

    Raises:
        InvalidRequest: where there is none of that name.
        ArtifactNotFound: where the job has not kept it yet.
    """
    which = which or "best"
    if which not in WHICH:
        raise InvalidRequest(f"which: there is no checkpoint `{which}`; there are best and last")
    if which == "best":
        return Checkpoint(job=job, which=which, net=evaluating.net_of(job))
    last = Path(job.run_dir, rundir.LAST)
    if not (job.run_dir and last.exists()):
        raise ArtifactNotFound(
            f"job {job.name} has no last checkpoint: it is {job.state.value}; "
            f"`ftctl get {job.name}` says more"
        )
    return Checkpoint(job=job, which=which, net=last)


def images_of(count: int) -> int:
    """Return how many images are seen. Raises InvalidRequest."""
    if count == 0:
        return IMAGES
    if not 2 <= count <= MOST_IMAGES:
        raise InvalidRequest(f"images: should be 2 to {MOST_IMAGES}, not {count}")
    return count


class Similarity:
    """Has nets compared, never on a device."""

    def __init__(self, zygote: Forks, *, folder: Path) -> None:
        self._errands = Errands(
            fork=zygote.compare,
            folder=folder,
            prefix="similarity-",
            within_s=COMPARE_S,
            late=f"no result within {COMPARE_S / 60:.0f} minutes; compare on fewer images",
            unavailable=EvaluatorUnavailable,
            room=asyncio.Semaphore(COMPARERS),
        )

    def clear(self) -> None:
        """Take away what an earlier daemon left."""
        self._errands.clear()

    async def measure(
        self, first: Checkpoint, second: Checkpoint, *, images: int, picture: bool
    ) -> Found:
        """Return how alike two nets are. Cancelling it ends the comparer.

        Raises:
            InvalidRequest: where they are of other architectures.
            ArtifactNotFound: where one is gone, or damaged.
            EvaluatorUnavailable: where nobody compares.
        """
        request = {
            "first": first.told,
            "second": second.told,
            "images": images,
            "picture": picture,
            "threads": min(THREADS, len(os.sched_getaffinity(0))),
        }
        with self._errands.place() as place:
            await asyncio.to_thread((place / "request.json").write_text, json.dumps(request))
            await self._errands.send(place)
            return await asyncio.to_thread(_found, place, picture)


def _found(place: Path, picture: bool) -> Found:
    """Return the result, or raise what kept it from being there."""
    with contextlib.suppress(FileNotFoundError):
        body = json.loads((place / "result.json").read_text())
        return Found(body=body, png=(place / "picture.png").read_bytes() if picture else b"")
    with contextlib.suppress(FileNotFoundError):
        raise _fault(json.loads((place / "fault.json").read_text()))
    raise EvaluatorUnavailable(
        "the comparer broke off; its memory may have run out, ask again later"
    )


def _fault(told: Mapping[str, str]) -> DaemonError:
    if told["kind"] == "other":
        return InvalidRequest(f"second: {told['why']}")
    return ArtifactNotFound(f"a net cannot be read: {told['why']}; train the job again")
