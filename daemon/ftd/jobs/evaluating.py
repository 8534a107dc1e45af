"""Evaluates the nets of jobs again: hands them to short-lived evaluators, beside training."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from ftd.errors import (
    ArtifactNotFound,
    DaemonError,
    EvaluatorUnavailable,
    ImagesLocked,
    InvalidRequest,
)
from ftd.jobs.errands import Errand, Errands
from ftd.jobs.lasting import in_thread
from ftd.jobs.model import Job
from fttrain.spec import rundir

EVALUATORS = 2
"""At a time: each has a net and a batch of images in its memory. Others wait."""
THREADS = 2
"""Of each, where the job's own number would not make figures the same: it had an accelerator."""
EVALUATE_S = 6 * 3600.0
"""A million images beside training on every core take hours."""
LOOK_S = 0.5
"""How often it is looked how far an evaluator is."""
PIECE_BYTES = 256 * 1024
SPLITS = ("val", "train", "test")
What = Literal["verdicts", "confusion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Images that are not the job's own."""

    path: str
    title: str
    """What their user calls them."""
    allow_missing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be evaluated, and what is wanted of it."""

    run_dir: str
    model: Path
    images: Given | str
    """Given ones, or a split of the job."""
    verdicts: bool
    confusion: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an evaluation is, in images."""

    done: int
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of it: what the evaluator tells, see `fttrain.evaluator`."""

    body: Mapping[str, Any]
    split: str
    """Of the job; empty for given images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The next piece of a file."""

    what: What
    data: bytes


class Forks(Protocol):
    """What makes evaluators: a zygote."""

    async def evaluate(self, folder: Path) -> Errand:
        """Fork an evaluator for a folder with a request. Raises ZygoteGone."""


def net_of(job: Job) -> Path:
    """Return the file of the net that a job has come to: its model, else its best checkpoint.

    Raises:
        ArtifactNotFound: where there is none, with what to do.
    """
    made = [artifact["path"] for artifact in job.artifacts if artifact["what"] == "model"]
    if made:
        return Path(made[-1])
    best = Path(job.run_dir, rundir.BEST)
    if job.run_dir and best.exists():
        return best
    if job.state.is_terminal:
        raise ArtifactNotFound(
            f"job {job.name} ended {job.state.value.upper()} before an epoch was evaluated: it has "
            f"no checkpoint; `ftctl get {job.name}` says why"
        )
    raise ArtifactNotFound(
        f"job {job.name} has no checkpoint yet: it is {job.state.value}, and no epoch of it has "
        f"been evaluated; `ftctl watch {job.name}` shows when"
    )


def split_of(job: Job, split: str) -> str:
    """Return which images of a job are meant; empty means those that it validates on.

    Raises:
        ImagesLocked: where it is those that it tests on.
        InvalidRequest: where there are none of that name.
    """
    if split == "test":
        raise ImagesLocked(
            f"the test images of {job.name} are read once, by the job itself at its end: figures "
            f"that can be asked for again and again are no test; `ftctl get {job.name}` has what "
            "came of it"
        )
    if split not in ("", *SPLITS):
        raise InvalidRequest(f"split: there are no images `{split}`; there are val and train")
    return split or "val"


class Evaluating:
    """Has nets evaluated, never on a device."""

    def __init__(self, zygote: Forks, *, folder: Path) -> None:
        self._errands = Errands(
            fork=zygote.evaluate,
            folder=folder,
            prefix="evaluation-",
            within_s=EVALUATE_S,
            late=f"no result within {EVALUATE_S / 3600:.0f} hours; evaluate on fewer images",
            unavailable=EvaluatorUnavailable,
            room=asyncio.Semaphore(EVALUATORS),
        )

    def clear(self) -> None:
        """Take away what an earlier daemon left."""
        self._errands.clear()

    async def steps(self, wish: Wish) -> AsyncGenerator[Progress | Report | Piece, None]:
        """Yield how far it is, then what came of it, then the files that are wanted.

        Closing it ends the evaluator.

        Raises:
            InvalidRequest: where the images cannot be evaluated on.
            ImagesLocked: where the job itself tests on them.
            ArtifactNotFound: where the net is gone, or damaged.
            EvaluatorUnavailable: where nobody evaluates.
        """
        with self._errands.place() as place:
            await asyncio.to_thread((place / "request.json").write_text, _request(wish))
            errand = asyncio.create_task(self._errands.send(place), name="evaluation")
            try:
                async for progress in _watched(place, errand):
                    yield progress
                await errand
            finally:
                errand.cancel()
                await asyncio.gather(errand, return_exceptions=True)
            body = await asyncio.to_thread(_body, place)
            yield Report(body=body, split=wish.images if isinstance(wish.images, str) else "")
            for name, what in _FILES.items():
                if getattr(wish, what):
                    async for piece in _pieces(place / name, what):
                        yield piece


_FILES: Mapping[str, What] = {"verdicts.csv": "verdicts", "confusion.png": "confusion"}


async def _watched(place: Path, errand: "asyncio.Task[None]") -> AsyncGenerator[Progress, None]:
    last: Progress | None = None
    while not errand.done():
        await asyncio.wait({errand}, timeout=LOOK_S)
        with contextlib.suppress(FileNotFoundError):
            text = await asyncio.to_thread((place / "progress.json").read_text)
            if (progress := Progress(**json.loads(text))) != last:
                last = progress
                yield progress


def _request(wish: Wish) -> str:
    images: object = wish.images
    if isinstance(wish.images, Given):
        given = wish.images
        images = {
            "path": given.path, "title": given.title, "allow_missing": given.allow_missing
        }  # fmt: skip
    return json.dumps(
        {
            "run_dir": wish.run_dir,
            "model": str(wish.model),
            "images": images,
            "threads": min(THREADS, len(os.sched_getaffinity(0))),
            "confusion": wish.confusion,
        }
    )


def _body(place: Path) -> dict[str, Any]:
    """Return the result, or raise what kept it from being there."""
    with contextlib.suppress(FileNotFoundError):
        return dict(json.loads((place / "result.json").read_text()))
    with contextlib.suppress(FileNotFoundError):
        raise _fault(json.loads((place / "fault.json").read_text()))
    raise EvaluatorUnavailable(
        "the evaluator broke off; its memory may have run out, ask again later"
    )


def _fault(told: Mapping[str, str]) -> DaemonError:
    match told["kind"]:
        case "data":
            return InvalidRequest(told["why"])
        case "locked":
            return ImagesLocked(told["why"])
    return ArtifactNotFound(f"the net cannot be read: {told['why']}; train the job again")


async def _pieces(path: Path, what: What) -> AsyncGenerator[Piece, None]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while data := await in_thread(file.read, PIECE_BYTES):
            yield Piece(what=what, data=data)
