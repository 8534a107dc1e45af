"""A trained model answers through the daemon as it does through the engine alone."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ftctl import BadImage, Job
from tests.e2e.recipes import endless, small
from tests.e2e.serving import Serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


def images_of(photos: Path) -> list[Path]:
    return sorted(photos.rglob("*.jpg"))


async def trained(daemon: Serving, photos: Path) -> Job:
    handle = await daemon.client.submit(small(photos, epochs=2))
    return (await handle.wait()).check()


async def said_by_the_engine(job: Job, images: list[Path]) -> list[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fttrain", "predict", "--json", job.run_dir, *map(str, images),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0
    return [json.loads(line) for line in out.decode().splitlines()]


async def test_answers_equal_those_of_the_engine_on_the_same_files(
    daemon: Serving, photos: Path
) -> None:
    job, images = await trained(daemon, photos), images_of(photos)
    assert len(images) == 72  # more than the engine takes at a time, and than the first batch
    told = await said_by_the_engine(job, images)

    seen = [answer async for answer in daemon.client.predict(job.id, [photos])]

    assert [answer.path for answer in seen] == images
    assert [answer.label for answer in seen] == [each["label"] for each in told]
    assert [answer.probability for answer in seen] == pytest.approx(
        [each["probability"] for each in told], abs=1e-6
    )
    assert {answer.label for answer in seen} == {"circles", "squares"}


async def test_the_command_says_the_same(daemon: Serving, photos: Path) -> None:
    job, images = await trained(daemon, photos), images_of(photos)[:3]

    code, out, err = await daemon.ftctl("predict", job.name, *images, "-o", "json", "--top", "2")

    assert (code, err) == (0, "")
    seen = [answer async for answer in daemon.client.predict(job.id, images)]
    assert json.loads(out) == [
        {
            "path": str(answer.path), "label": answer.label, "probability": answer.probability,
            "top": [{"label": label, "probability": share} for label, share in answer.top],
        }
        for answer in seen
    ]  # fmt: skip


async def test_it_answers_while_another_job_trains(daemon: Serving, photos: Path) -> None:
    job = await trained(daemon, photos)
    busy = await daemon.client.submit(endless(photos))
    async for _ in busy.watch():
        if (await busy.get()).epochs:
            break

    seen = [answer async for answer in daemon.client.predict(job.id, [photos])]

    assert len(seen) == 72
    await busy.cancel()
    await busy.wait()


async def test_a_damaged_photo_is_named_and_nothing_stays_behind(
    daemon: Serving, photos: Path, tmp_path: Path
) -> None:
    job, whole = await trained(daemon, photos), images_of(photos)[0]
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(whole.read_bytes()[:500])

    with pytest.raises(BadImage) as caught:
        [answer async for answer in daemon.client.predict(job.id, [whole, damaged])]

    assert str(caught.value).startswith(f"{damaged} is damaged: ")
    assert str(caught.value).endswith("; replace or remove it")
    assert list((daemon.state / "predictions").iterdir()) == []
