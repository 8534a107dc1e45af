"""Jobs are paused, resumed and preempted at any moment; what comes out is what would have anyway.

Meanwhile another job has the device.
"""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest

from ftctl import (
    AsyncClient,
    AsyncJobHandle,
    Attempt,
    Job,
    JobEnded,
    JobState,
    OutcomeReason,
    StateChanged,
)
from fttrain import events
from fttrain.models import tensors
from fttrain.spec import recipe as recipes
from fttrain.spec import rundir
from tests.chaos import varied
from tests.chaos.alike import differences
from tests.chaos.figures import Figures
from tests.e2e.serving import serving
from tests.photos import make_photo_folder
from tests.wait import wait_until

Kind = Literal["pause", "resume", "preempt"]
KINDS: tuple[Kind, ...] = ("pause", "resume", "preempt")
LATE_S = 0.6
"""A pause is resumed, or called off, so long after it at the latest."""
EPOCHS, FEW_EPOCHS = 5, 3
POINTS_PER_JOB = 4
FIRST: dict[Kind, int] = {"pause": 2, "resume": 3, "preempt": 4}
"""Which of the recipes at random each kind begins with: those that are repeated come later."""
MOST_JOBS = 20
MADE_WAY = (OutcomeReason.PAUSED_BY_USER, OutcomeReason.PREEMPTED)
RIVAL = {
    "data": {"digits": {"labels_per_class": 2}, "workers": 0},
    "model": {"cnn": {"channels": [4]}},
    "train": {"epochs": 1, "batch_size": 16, "optimizer": {"sgd": {"lr": 0.1}}},
    "outputs": [],
}


@dataclass(slots=True, kw_only=True)
class Played:
    """What came of one kind."""

    points: int = 0
    """Attempts that were broken off as asked."""
    jobs: int = 0
    rivals: int = 0
    """Jobs that had the device meanwhile."""
    steps: list[int] = field(default_factory=list)
    """After which attempts were broken off."""
    faults: list[str] = field(default_factory=list)


class Play:
    """A machine with one device, and jobs that make way on it."""

    def __init__(self, client: AsyncClient, photos: Path, seed: int, epochs: int) -> None:
        self._client = client
        self._photos = photos
        self._seed = seed
        self._epochs = epochs
        self._names = itertools.count(1)

    async def of(self, kind: Kind, *, points: int) -> Played:
        """Have jobs make way until so many attempts did; return what does not hold."""
        chance, played = Random(f"{kind} {self._seed}"), Played()
        while played.points < points and played.jobs < MOST_JOBS:
            job = self._job(FIRST[kind] + played.jobs, chance)
            whole = await (await self._submit(job)).wait()
            wanted = min(points - played.points, POINTS_PER_JOB)
            steps = sorted(chance.randrange(_last_step(Path(whole.run_dir))) for _ in range(wanted))
            await self._break_off(kind, job, whole, steps, chance, played)
            played.jobs += 1
        return played

    async def _break_off(
        self, kind: Kind, job: dict[str, Any], whole: Job, steps: Sequence[int], chance: Random,
        played: Played,
    ) -> None:  # fmt: skip
        soon = {"preemptible": True, "min_runtime": 0} if kind == "preempt" else {}
        handle = await self._submit(job, **soon)
        rivals: list[AsyncJobHandle] = []
        for step in steps:
            await self._reached(handle, step)
            with contextlib.suppress(JobEnded):
                await self._make_way(kind, handle, rivals, chance.uniform(0, LATE_S))
        done = await handle.wait()
        others = [await rival.wait() for rival in rivals]
        broken = [each for each in done.attempts if _made_way(each)]
        played.points += len(broken)
        played.rivals += len(others)
        played.steps += [_last_step(_run_dir(done, each)) for each in broken]
        faults = [*_faults(whole, done), *_idle(done, others)]
        played.faults += [f"{kind}, {done.name}: {fault}" for fault in faults]

    async def _make_way(
        self, kind: Kind, handle: AsyncJobHandle, rivals: list[AsyncJobHandle], late_s: float
    ) -> None:
        match kind:
            case "pause":
                await self._paused(handle)
                rivals.append(await self._submit(RIVAL))
                await rivals[-1].wait()
                await handle.resume()
            case "resume":  # at any moment behind a pause, while another job has the device or not
                if not rivals or (await rivals[-1].get()).state.is_terminal:
                    rivals.append(await self._submit(RIVAL, priority=1))
                    await self._until(rivals[-1], "waits for a device")
                await handle.pause()
                await asyncio.sleep(late_s)
                await handle.resume()
            case "preempt":
                rivals.append(await self._submit(RIVAL, priority=1))
                await rivals[-1].wait()

    async def _paused(self, handle: AsyncJobHandle) -> None:
        asked = await handle.pause()
        if asked.state is JobState.PAUSED:
            return
        async with contextlib.aclosing(handle.watch(after_sequence=asked.last_sequence)) as told:
            async for event in told:
                if isinstance(event, StateChanged) and event.state is JobState.PAUSED:
                    return

    async def _until(self, handle: AsyncJobHandle, reason: str) -> None:
        """Return once a job waits for a reason, or needs not to wait."""
        async with contextlib.aclosing(handle.watch()) as told:
            async for event in told:
                if not isinstance(event, StateChanged):
                    continue
                if event.reason.startswith(reason) or event.state is JobState.STARTING:
                    return

    async def _reached(self, handle: AsyncJobHandle, step: int) -> None:
        """Return once a job has taken so many steps, or has ended."""
        runs = Path((await self._begun(handle)).run_dir).parent
        await wait_until(
            lambda: any(_is_past(each.parent, step) for each in runs.glob(f"*/{rundir.JOURNAL}"))
        )

    async def _begun(self, handle: AsyncJobHandle) -> Job:
        async with contextlib.aclosing(handle.watch()) as told:
            async for event in told:
                if event.attempt:
                    break
        return await handle.get()

    def _job(self, number: int, chance: Random) -> dict[str, Any]:
        body = json.loads(recipes.canonical(varied.recipe(number, chance, self._photos)))
        for stage in body["train"].get("stages", [body["train"]]):
            stage["epochs"] = self._epochs
        return dict(body)

    async def _submit(self, job: dict[str, Any], **words: Any) -> AsyncJobHandle:
        return await self._client.submit({**job, "name": f"job-{next(self._names)}", **words})


@contextlib.asynccontextmanager
async def machine(folder: Path, seed: int, epochs: int = EPOCHS) -> AsyncIterator[Play]:
    """Run a daemon over one device inside the block."""
    photos = make_photo_folder(folder / "photos", per_class=11, val_per_class=9)
    async with serving(folder / "state", devices="sim:1x16GiB", reserve="0") as daemon:
        yield Play(daemon.client, photos, seed, epochs)


@pytest.mark.timeout(180)
async def test_2_pauses_2_resumes_and_2_preemptions_change_no_bit(
    tmp_path: Path, seed: int
) -> None:
    async with machine(tmp_path, seed, FEW_EPOCHS) as play:
        for kind in KINDS:
            played = await play.of(kind, points=2)

            assert played.faults == []
            assert played.points >= 2


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", KINDS)
async def test_10_of_each_change_no_bit(
    tmp_path: Path, seed: int, figures: Figures, kind: Kind
) -> None:
    began = time.monotonic()
    async with machine(tmp_path, seed) as play:
        played = await play.of(kind, points=10)

    figures.tell(
        f"{kind} at random points", broken_off=played.points, jobs=played.jobs,
        others_on_the_device=played.rivals, after_steps=f"{sorted(played.steps)}",
        differences=len(played.faults), seconds=time.monotonic() - began,
    )  # fmt: skip
    assert played.faults == []
    assert played.points >= 10


def _faults(whole: Job, done: Job) -> Iterator[str]:
    """Yield what differs between an unbroken run and one that was broken off."""
    if (whole.state, done.state) != (JobState.SUCCEEDED, JobState.SUCCEEDED):
        yield f"ended {done.state}, the unbroken run {whole.state}"
        return
    mine, theirs = Path(whole.run_dir), Path(done.run_dir)
    found = differences(mine, [_run_dir(done, each) for each in done.attempts])
    # The model says which job it is of, and the best checkpoint may hold more than what it is
    # used with: that from which training went on. Only the last one is ever gone on from.
    own = (rundir.MODEL, rundir.BEST)
    yield from (each for each in found if not each.startswith(own))
    if _model(mine) != _model(theirs):
        yield f"{rundir.MODEL} differs"
    if _used(mine) != _used(theirs):
        yield f"{rundir.BEST} differs"
    if [each.epoch for each in done.epochs] != [each.epoch for each in whole.epochs]:
        yield f"tells the epochs {[each.epoch for each in done.epochs]}"
    if done.failures or done.inexact:
        yield f"has {done.failures} failures, and is inexact for `{done.inexact}`"


def _model(run_dir: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the tensors of a model, bit by bit, and what it says of itself but its job."""
    read = tensors.read(run_dir / rundir.MODEL)
    told = {**read.metadata, "origin": json.loads(read.metadata["origin"])}
    del told["origin"]["job_id"], told["origin"]["job_name"]
    return {name: each.numpy().tobytes() for name, each in read.tensors.items()}, told


def _used(run_dir: Path) -> dict[str, bytes]:
    """Return the tensors of the best checkpoint, bit by bit, but those to train on with."""
    found = tensors.read(run_dir / rundir.BEST).tensors.items()
    return {name: each.numpy().tobytes() for name, each in found if not name.startswith("live/")}


def _idle(done: Job, rivals: Sequence[Job]) -> Iterator[str]:
    """Yield the breaks of a job in which no other one had its device."""
    others = [attempt for rival in rivals for attempt in rival.attempts]
    for broken, following in itertools.pairwise(done.attempts):
        if not any(_is_between(broken, other, following) for other in others):
            yield f"nobody had the device between its attempts {broken.number} and the next"


def _is_between(before: Attempt, other: Attempt, after: Attempt) -> bool:
    ended, began, left, again = before.end_time, other.start_time, other.end_time, after.start_time
    assert ended is not None
    assert began is not None
    assert left is not None
    assert again is not None
    return ended <= began <= left <= again and before.devices == other.devices == after.devices


def _made_way(attempt: Attempt) -> bool:
    return attempt.outcome is not None and attempt.outcome.reason in MADE_WAY


def _run_dir(job: Job, attempt: Attempt) -> Path:
    return Path(job.run_dir).with_name(str(attempt.number))


def _is_past(run_dir: Path, step: int) -> bool:
    records = _records(run_dir)
    is_over = bool(records) and isinstance(records[-1], events.Finished)
    return is_over or (_steps(records) >= step and bool(records))


def _last_step(run_dir: Path) -> int:
    return _steps(_records(run_dir))


def _steps(records: Sequence[events.Record]) -> int:
    told = [
        each.last if isinstance(each, events.Steps) else each.step
        for each in records
        if isinstance(each, events.Steps | events.Suspended)
    ]
    return max(told, default=0)


def _records(run_dir: Path) -> list[events.Record]:
    return [entry.record for entry in events.read(run_dir / rundir.JOURNAL)[0]]
