"""Draws what jobs have measured: hands numbers to short-lived plotters, takes their pictures."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ftd.errors import ArtifactNotFound, InvalidRequest, PlotterUnavailable
from ftd.jobs.errands import Errand, Errands
from ftd.jobs.model import Job
from fttrain.spec.nearest import hint

CURVES = "curves"
KINDS = (
    CURVES, "confusion", "confusion-test", "predictions", "mistakes", "filters", "features",
    "guided_backprop", "augmentations",
)  # fmt: skip
RUNS = "runs"
"""Drawn of numbers that come with a request, of no job."""
PLOTTERS = 2
"""At a time."""
PLOT_S = 120.0
"""A picture takes a second or two; beside training on every core it may take a minute."""


class Forks(Protocol):
    """What makes plotters: a zygote."""

    async def plot(self, folder: Path) -> Errand:
        """Fork a plotter for a folder with a request. Raises ZygoteGone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be drawn, and how."""

    kind: str
    x: str | None
    """`linear`, `log`, or as suits the kind."""
    y: str | None
    metrics: Sequence[str]


def numbers_of(job: Job, kind: str) -> str | dict[str, Any]:
    """Return what a picture of a job is drawn from: the numbers, or the path of their file.

    Raises:
        InvalidRequest: where there is no such picture.
        ArtifactNotFound: where the job has nothing to draw.
    """
    if kind not in KINDS:
        near = hint(kind, KINDS) or f"; there are {', '.join(KINDS)}"
        raise InvalidRequest(f"kind: there is no picture `{kind}`{near}")
    if kind == CURVES:
        if not job.epochs:
            raise ArtifactNotFound(f"job {job.name} has no curves yet: no epoch of it has ended")
        return {"title": job.name, "epochs": list(job.epochs)}
    made = {artifact["what"]: artifact["path"] for artifact in job.artifacts}
    if f"data/{kind}" not in made:
        raise ArtifactNotFound(f"job {job.name} has nothing to draw as {kind}; {_why(job, kind)}")
    return str(made[f"data/{kind}"])


def _why(job: Job, kind: str) -> str:
    if not job.state.is_terminal:
        return f"it is {job.state.value}, and leaves it at its end where `outputs` has it"
    if kind == "confusion-test":
        return "its recipe has no test images, or it ended before they were read"
    return "it ended before, or `outputs` of its recipe does not have it"


class Plotting:
    """Has pictures drawn, beside training."""

    def __init__(self, zygote: Forks, *, folder: Path) -> None:
        self._errands = Errands(
            fork=zygote.plot,
            folder=folder,
            prefix="plot-",
            within_s=PLOT_S,
            late=f"no picture within {PLOT_S:.0f} s; the machine is busy, ask again later",
            unavailable=PlotterUnavailable,
            room=asyncio.Semaphore(PLOTTERS),
        )

    def clear(self) -> None:
        """Take away what an earlier daemon left."""
        self._errands.clear()

    async def draw(self, wish: Wish, numbers: Sequence[str | dict[str, Any]]) -> bytes:
        """Return a picture as a PNG file.

        Raises:
            InvalidRequest: where it cannot be drawn so.
            PlotterUnavailable: where nobody draws.
        """
        request = {"kind": wish.kind, "x": wish.x, "y": wish.y, "metrics": list(wish.metrics)}
        text = json.dumps({**request, "numbers": list(numbers)})
        with self._errands.place() as place:
            await asyncio.to_thread((place / "request.json").write_text, text)
            await self._errands.send(place)
            return await asyncio.to_thread(_drawn, place)


def _drawn(place: Path) -> bytes:
    """Return the picture, or raise what kept it from being drawn."""
    with contextlib.suppress(FileNotFoundError):
        return (place / "picture.png").read_bytes()
    with contextlib.suppress(FileNotFoundError):
        raise InvalidRequest(json.loads((place / "fault.json").read_text())["why"])
    raise PlotterUnavailable("the plotter broke off; its memory may have run out, ask again later")
