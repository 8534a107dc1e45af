"""Over the whole life of a job its test images are read once, counted where files become pixels."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ftd.errors import ImagesLocked
from ftd.jobs import evaluating, plotting
from ftd.jobs.evaluating import Given, Report, Wish
from ftd.jobs.intake import Part
from ftd.jobs.model import EventKind, Job, JobRequest, JobState
from ftd.jobs.plotting import Wish as Picture
from ftd.jobs.predicting import model_of
from ftd.jobs.supervisor import Supervisor
from fttrain.spec import faults, recipe
from tests.fakes import supervising
from tests.fakes.zygote_that_counts import command, counted, reads
from tests.photos import make_photo_folder

EPOCHS = 60


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos in three splits, all different."""
    root = make_photo_folder(tmp_path / "photos", per_class=12, val_per_class=6)
    other = make_photo_folder(tmp_path / "other", per_class=20, val_per_class=8)
    for label in ("circles", "squares"):
        (root / "test" / label).mkdir(parents=True)
        for file in sorted((other / "train" / label).iterdir())[-5:]:
            file.rename(root / "test" / label / f"t{file.name}")
    return root


def request(photos: Path) -> JobRequest:
    framed = {"resize": 32, "crop": 32, "mean": [0.5] * 3, "std": [0.25] * 3}
    body = {
        "data": {"folder": {"path": str(photos), "test": "test"}, "preprocess": framed,
                 "augment": ["horizontal_flip"], "workers": 1, "cache": "none"},
        "model": {"cnn": {"channels": [4, 8]}},
        "train": {"epochs": EPOCHS, "batch_size": 8, "optimizer": {"sgd": {"lr": 0.05}}},
        "outputs": ["curves", "confusion", "predictions"],
    }  # fmt: skip
    text = recipe.canonical(faults.parse(json.dumps(body)))
    return JobRequest(
        name="locked", recipe_json=text, devices=1, priority=0, after=(), labels={}, retries=3
    )


async def evaluated(supervisor: Supervisor, job: Job, images: Given | str) -> Report:
    """Evaluate a job as its RPC does."""
    job = await supervisor.store.get(job.id)
    wish = Wish(
        run_dir=job.run_dir, model=evaluating.net_of(job), images=images, verdicts=True,
        confusion=True,
    )  # fmt: skip
    steps = [step async for step in supervisor.evaluating.steps(wish)]
    return next(step for step in steps if isinstance(step, Report))


async def parts(images: list[bytes]) -> AsyncIterator[Part]:
    for image in images:
        yield Part(data=image, is_last=True)


async def killed_and_resumed(supervisor: Supervisor, photos: Path) -> Job:
    """Train a job that is evaluated and killed on its way; return it once it has ended."""
    job = await supervisor.submit(request(photos), request_id="")
    async for event in supervisor.broadcast.subscribe(job.id):
        if event.kind is EventKind.CHECKPOINT and event.body["which"] == "best":
            break
    worker = supervising.worker_of(await supervisor.store.get(job.id))
    worker.suspend()
    await evaluated(supervisor, job, "val")
    worker.kill()
    await supervising.watch(supervisor, job)
    return await supervisor.store.get(job.id)


async def test_test_images_are_read_once_over_a_whole_life(photos: Path, tmp_path: Path) -> None:
    file, names = tmp_path / "reads", sorted(p.name for p in (photos / "test").rglob("*.jpg"))
    async with supervising.daemon(tmp_path, command(file)) as supervisor:
        job = await killed_and_resumed(supervisor, photos)
        assert (job.state, job.attempt) == (JobState.SUCCEEDED, 2)

        # All that one can ask of a job that has ended.
        own = await evaluated(supervisor, job, "val")
        await evaluated(supervisor, job, "train")
        given = Given(path=str(photos / "test"), title="mine", allow_missing=False)
        with pytest.raises(ImagesLocked):
            await evaluated(supervisor, job, given)
        for kind in ("curves", "confusion", "confusion-test", "predictions"):
            picture = Picture(kind=kind, x=None, y=None, metrics=())
            await supervisor.plotting.draw(picture, [plotting.numbers_of(job, kind)])
        image = (photos / "val/circles/000.jpg").read_bytes()
        asked = supervisor.predicting.answers(model_of(job), parts([image]))
        assert len([answer async for answer in asked]) == 1

    tested, val = counted(file, photos / "test"), counted(file, photos / "val")
    assert {Path(name).name: times for name, times in tested["worker"].items()} == dict.fromkeys(
        names, 1
    )
    # The planner has looked whether they are sound, and keeps a yes or no.
    assert tested.keys() <= {"planner", "worker"}
    assert set(tested["planner"].values()) == {1}
    # The count is a count: what is evaluated on again and again is read again and again.
    assert min(val["worker"].values()) > EPOCHS
    assert min(val["evaluator"].values()) == 2
    assert Counter(role for role, _ in reads(file))["predictor"] == 1
    (own_score,) = [each["score"] for each in job.evaluations if each["split"] == "val"]
    assert own.body["score"] == own_score
    read_once_training_is_over(file, photos)


def read_once_training_is_over(file: Path, photos: Path) -> None:
    order = [path for role, path in reads(file) if role == "worker"]
    first = next(i for i, path in enumerate(order) if path.is_relative_to(photos / "test"))
    trained = [i for i, path in enumerate(order) if path.is_relative_to(photos / "train")]
    assert first > max(trained)


async def test_a_plan_that_is_made_again_reads_no_test_image_again(
    photos: Path, tmp_path: Path
) -> None:
    file = tmp_path / "reads"
    async with supervising.daemon(tmp_path, command(file)) as supervisor:
        for _ in range(2):
            await supervisor.plan(request(photos).recipe_json)

    assert set(counted(file, photos / "test")["planner"].values()) == {1}
