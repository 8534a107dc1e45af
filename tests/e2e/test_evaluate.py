"""`ftctl evaluate` against a daemon that trains for real."""

import csv
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio

from ftctl import CheckpointSaved, EpochEnded, Event, InvalidRequest, Job, JobState
from tests.e2e.recipes import endless, small
from tests.e2e.serving import Serving

E = TypeVar("E")
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shapes(daemon: Serving, photos: Path) -> Job:
    """A job that has ended."""
    handle = await daemon.client.submit(small(photos, name="shapes", epochs=2))
    return (await handle.wait()).check()


def left_by(job: Job) -> bytes:
    return Path(job.run_dir, "artifacts/verdicts.csv").read_bytes()


async def test_a_jobs_own_images_give_its_own_page(daemon: Serving, shapes: Job) -> None:
    own = shapes.evaluations[0]

    code, out, err = await daemon.ftctl("evaluate", "shapes", "-o", "json")

    told = json.loads(out)
    assert (code, err) == (0, "")
    assert told["evaluation"]["epoch"] == own.epoch
    for name in ("loss", "correct", "count", "balanced_accuracy", "calibration_error"):
        assert told["evaluation"]["score"][name] == getattr(own.score, name)


async def test_verdicts_are_those_that_the_job_left(
    daemon: Serving, shapes: Job, tmp_path: Path
) -> None:
    table, picture = tmp_path / "v.csv", tmp_path / "c.png"

    code, _, _ = await daemon.ftctl(
        "evaluate", "shapes", "--verdicts", table, "--confusion", picture
    )

    assert code == 0
    assert table.read_bytes() == left_by(shapes)
    assert picture.read_bytes().startswith(b"\x89PNG")


async def test_a_folder_of_a_pushed_data_set_is_evaluated_on(
    daemon: Serving, shapes: Job, photos: Path
) -> None:
    await daemon.client.push_dataset("shapes", photos)

    pushed = await daemon.client.evaluate(shapes.id, data="dataset:shapes/val", verdicts=True)
    with pytest.raises(InvalidRequest) as error:
        await daemon.client.evaluate(shapes.id, data="dataset:shapes")

    assert pushed.score == shapes.evaluations[0].score
    assert pushed.images == "dataset:shapes/val"
    table = csv.DictReader(pushed.verdicts.decode().splitlines())
    assert next(iter(table))["image"] == "circles/000.jpg"
    assert str(error.value) == (
        "dataset:shapes has its classes one folder further down; say dataset:shapes/train or "
        "dataset:shapes/val"
    )


async def test_images_that_cannot_be_evaluated_on_are_told_by_name(
    daemon: Serving, shapes: Job, photos: Path, tmp_path: Path
) -> None:
    wrong = shutil.copytree(photos / "val", tmp_path / "wrong")
    (wrong / "squares").rename(wrong / "sqares")

    assert await daemon.ftctl("evaluate", "shapes", "--data", wrong) == (
        2, "", f"ftctl: {wrong} has class `sqares`, which the model does not know; it knows "
        "classes `circles`, `squares`. Rename `sqares` to `squares`?\n",
    )  # fmt: skip
    shutil.rmtree(wrong / "sqares")
    assert await daemon.ftctl("evaluate", "shapes", "--data", wrong) == (
        2, "", f"ftctl: {wrong} has no image of class `squares`, which the model knows; add some, "
        "or allow it (--allow-missing)\n",
    )  # fmt: skip
    code, out, _ = await daemon.ftctl("evaluate", "shapes", "--data", wrong, "--allow-missing")
    assert code == 0
    assert " notice    no image of class `squares`\n" in out


async def test_a_jobs_test_images_are_its_own_alone(
    daemon: Serving, photos: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(photos, tmp_path / "photos")
    shutil.move(root / "train", root / "rest")
    shutil.copytree(root / "rest", root / "train")
    shutil.move(root / "rest", root / "test")
    job = small(root, name="tested", epochs=1)
    job["data"]["folder"]["test"] = "test"
    handle = await daemon.client.submit(job)
    (await handle.wait()).check()

    named = await daemon.ftctl("evaluate", "tested", "--split", "test")
    pointed = await daemon.ftctl("evaluate", "tested", "--data", root / "test")

    assert named[0] == pointed[0] == 2
    assert named[2] == (
        "ftctl: the test images of tested are read once, by the job itself at its end: figures "
        "that can be asked for again and again are no test; `ftctl get tested` has what came of "
        "it\n"
    )
    assert pointed[2] == (
        f"ftctl: 48 of the 48 images of {root}/test are test images of tested: those are read "
        "once, by the job itself at its end, and `ftctl get tested` has what came of it; name "
        "other images\n"
    )


async def test_a_job_trains_on_while_it_is_evaluated(daemon: Serving, photos: Path) -> None:
    handle = await daemon.client.submit(endless(photos, name="busy"))
    await first(handle.watch(), CheckpointSaved)

    report = await handle.evaluate()
    standing = await handle.get()
    later = await first(handle.watch(after_sequence=standing.last_sequence), EpochEnded)

    assert standing.state is JobState.RUNNING
    by_number = {epoch.epoch: epoch.val for epoch in standing.epochs}
    assert report.score == by_number[report.evaluation.epoch]
    assert later.epoch.epoch > len(standing.epochs)
    await handle.cancel()
    await handle.wait()


async def first(events: AsyncIterator[Event], kind: type[E]) -> E:
    """Return the first event of a kind."""
    return await anext(event async for event in events if isinstance(event, kind))
