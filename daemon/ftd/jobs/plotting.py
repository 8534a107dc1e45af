"""Draws what jobs have measured: hands numbers to short-lived plotters, takes their pictures."""

import asyncio
import contextlib
import json
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ftd.errors import ArtifactNotFound, InvalidRequest, PlotterUnavailable
from ftd.jobs.model import Job
from ftd.jobs.predicting import Predictor as Plotter
from ftd.jobs.zygote import ZygoteGone
from fttrain.spec.nearest import hint

CURVES = "curves"
KINDS = (CURVES, "confusion", "confusion-test", "predictions", "augmentations")
PLOTTERS = 2
"""At a time."""
PLOT_S = 120.0
"""A picture takes a second or two; beside training on every core it may take a minute."""

_PREFIX = "plot-"


class Forks(Protocol):
    """What makes plotters: a zygote."""

    async def plot(self, folder: Path) -> Plotter:
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
        self._zygote = zygote
        self._folder = folder
        self._room = asyncio.Semaphore(PLOTTERS)

    def clear(self) -> None:
        """Take away what an earlier daemon left."""
        for leftover in self._folder.glob(f"{_PREFIX}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    async def draw(self, wish: Wish, numbers: Sequence[str | dict[str, Any]]) -> bytes:
        """Return a picture as a PNG file.

        Raises:
            InvalidRequest: where it cannot be drawn so.
            PlotterUnavailable: where nobody draws.
        """
        request = {"kind": wish.kind, "x": wish.x, "y": wish.y, "metrics": list(wish.metrics)}
        text = json.dumps({**request, "numbers": list(numbers)})
        async with self._room:
            with self._workplace() as place:
                await asyncio.to_thread((place / "request.json").write_text, text)
                with contextlib.suppress(ZygoteGone):  # it is started again
                    return await self._run(place)
                try:
                    return await self._run(place)
                except ZygoteGone as error:
                    raise PlotterUnavailable(str(error)) from error

    async def _run(self, place: Path) -> bytes:
        plotter = await self._zygote.plot(place)
        try:
            async with asyncio.timeout(PLOT_S):
                await plotter.wait()
        except TimeoutError:
            raise PlotterUnavailable(
                f"no picture within {PLOT_S:.0f} s; the machine is busy, ask again later"
            ) from None
        finally:
            plotter.send(signal.SIGKILL)
            plotter.close()
        return await asyncio.to_thread(_drawn, place)

    @contextlib.contextmanager
    def _workplace(self) -> Iterator[Path]:
        self._folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=self._folder, prefix=_PREFIX))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _drawn(place: Path) -> bytes:
    """Return the picture, or raise what kept it from being drawn."""
    with contextlib.suppress(FileNotFoundError):
        return (place / "picture.png").read_bytes()
    with contextlib.suppress(FileNotFoundError):
        raise InvalidRequest(json.loads((place / "fault.json").read_text())["why"])
    raise PlotterUnavailable("the plotter broke off; its memory may have run out, ask again later")
