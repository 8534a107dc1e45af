"""Asks the models of jobs: hands images to short-lived predictors, reads what they leave."""

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ftd.errors import ArtifactNotFound, BadImage, PredictorUnavailable
from ftd.jobs.errands import Errand, Errands
from ftd.jobs.intake import Batch, Intake, Part
from ftd.jobs.model import Job

PREDICTORS = 2
"""At a time: each has a net and a few large images in its memory."""
THREADS = 2
"""Of each: it runs beside training."""
PREDICT_S = 600.0
"""A batch is done in seconds; beside training on every core it may take minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model says of one image."""

    label: str
    probability: float
    top: tuple[tuple[str, float], ...]
    """Classes with their probability, the highest first."""


class Forks(Protocol):
    """What makes predictors: a zygote."""

    async def predict(self, folder: Path) -> Errand:
        """Fork a predictor for a folder with images. Raises ZygoteGone."""


def model_of(job: Job) -> Path:
    """Return the file of the model that a job has made.

    Raises:
        ArtifactNotFound: where there is none, with what to do.
    """
    made = [artifact["path"] for artifact in job.artifacts if artifact["what"] == "model"]
    if made:
        return Path(made[-1])
    if job.state.is_terminal:
        raise ArtifactNotFound(
            f"job {job.name} ended {job.state.value.upper()} before it had a model; "
            f"`ftctl get {job.name}` says why"
        )
    raise ArtifactNotFound(
        f"job {job.name} has no model yet: it is still {job.state.value}; "
        f"wait for its end with `ftctl watch {job.name}`"
    )


class Predicting:
    """Has models answer, beside training and never on a device."""

    def __init__(self, zygote: Forks, *, folder: Path) -> None:
        self._errands = Errands(
            fork=zygote.predict,
            folder=folder,
            prefix="call-",
            within_s=PREDICT_S,
            late=f"no answer within {PREDICT_S:.0f} s; the machine is busy, ask again later",
            unavailable=PredictorUnavailable,
            room=asyncio.Semaphore(PREDICTORS),
        )

    def clear(self) -> None:
        """Take away what an earlier daemon left."""
        self._errands.clear()

    async def answers(
        self, model: Path, parts: AsyncIterator[Part]
    ) -> AsyncGenerator[Answer, None]:
        """Yield what a model says of each image, in their order.

        Images are taken in while those before them are asked, a batch ahead.

        Raises:
            BadImage: at the first image that cannot be read, after the answers before it.
            InvalidRequest: at the first batch with an image beyond the limits.
            ArtifactNotFound: where the model is gone, or damaged.
            DiskFull: where the disk has no room for the images.
            PredictorUnavailable: where nobody answers.
        """
        with self._errands.place() as place:
            intake = Intake(parts, folder=place)
            coming = asyncio.create_task(intake.batch(), name="image-intake")
            try:
                while (batch := await coming) is not None:
                    coming = asyncio.create_task(intake.batch(), name="image-intake")
                    await self._ask(model, batch)
                    for answer in await asyncio.to_thread(_answers, batch.folder):
                        yield answer
                    await asyncio.to_thread(_check, batch)
                    await asyncio.to_thread(shutil.rmtree, batch.folder)
            finally:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)

    async def _ask(self, model: Path, batch: Batch) -> None:
        """Have a predictor do a batch: it leaves its answers in the batch's folder."""
        request = {"model": str(model), "images": batch.images, "threads": _threads()}
        (batch.folder / "request.json").write_text(json.dumps(request))
        await self._errands.send(batch.folder)


def _threads() -> int:
    return min(THREADS, len(os.sched_getaffinity(0)))


def _answers(folder: Path) -> list[Answer]:
    """Return what a predictor has said. One that broke off may have left half a line."""
    with contextlib.suppress(FileNotFoundError):
        lines = (folder / "answers.jsonl").read_text().splitlines(keepends=True)
        return [_answer(json.loads(line)) for line in lines if line.endswith("\n")]
    return []


def _answer(told: Mapping[str, Any]) -> Answer:
    top = tuple((label, probability) for label, probability in told["top"])
    return Answer(label=told["label"], probability=told["probability"], top=top)


def _check(batch: Batch) -> None:
    """Raise what kept a predictor from answering for every image."""
    with contextlib.suppress(FileNotFoundError):
        fault = json.loads((batch.folder / "fault.json").read_text())
        if "model" in fault:
            raise ArtifactNotFound(
                f"the model cannot be read: {fault['model']}; train the job again"
            )
        raise BadImage(batch.first + fault["image"], fault["why"])
    if len(_answers(batch.folder)) < len(batch.images):
        raise PredictorUnavailable(f"the predictor broke off: {_last_words(batch.folder)}")


def _last_words(folder: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        last = (folder / "log.txt").read_text(errors="replace").strip().splitlines()[-1:]
        return " ".join(last) or "without a word; its memory may have run out"
    return "before it began"
