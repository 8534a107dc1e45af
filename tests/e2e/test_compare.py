"""Jobs that were really trained are compared, on both sides of an exported file."""

import csv
import json
from pathlib import Path

import pytest
from scipy import stats

from ftctl import Job
from tests.e2e.recipes import digits
from tests.e2e.serving import Serving, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def trained(daemon: Serving, name: str, **train: object) -> Job:
    job = digits(name, epochs=3)
    job["train"] |= train
    handle = await daemon.client.submit(job)
    return (await handle.wait()).check()


async def right(daemon: Serving, job: Job, folder: Path) -> dict[str, bool]:
    """Return which images the job judged rightly, as its table has them."""
    place = folder / f"{job.name}.csv"
    await daemon.client.pull(job.id, "table/verdicts", place)
    rows = list(csv.DictReader(place.read_text().splitlines()))
    assert list(rows[0]) == ["image", "label", "predicted", "confidence"]
    return {row["image"]: row["label"] == row["predicted"] for row in rows}


async def test_the_test_of_two_jobs_is_that_of_their_own_tables(
    daemon: Serving, tmp_path: Path
) -> None:
    plain = await trained(daemon, "plain")
    other = await trained(daemon, "momentum", optimizer={"sgd": {"lr": 0.05, "momentum": 0.9}})

    (pair,) = (await daemon.client.compare(["plain", "momentum"])).pairs

    assert pair.settings == ("train.optimizer.sgd.momentum",)
    first = await right(daemon, plain, tmp_path)
    second = await right(daemon, other, tmp_path)
    assert sum(first.values()) == plain.best.val.correct if plain.best and plain.best.val else None
    only_first = sum(first[image] and not second[image] for image in first)
    only_second = sum(second[image] and not first[image] for image in first)
    assert pair.mcnemar is not None
    assert (pair.mcnemar.images, pair.mcnemar.only_baseline, pair.mcnemar.only_run) == (
        len(first), only_first, only_second
    )  # fmt: skip
    expected = stats.binomtest(only_first, only_first + only_second, 0.5).pvalue
    assert pair.mcnemar.p == pytest.approx(expected)


async def test_a_job_of_another_daemon_is_compared_from_its_file(
    daemon: Serving, tmp_path: Path
) -> None:
    await trained(daemon, "here")
    async with serving(tmp_path / "there") as there:
        await trained(there, "there", seed=3)
        code, told, err = await there.ftctl("compare", "there", "-o", "json")
    assert (code, err) == (0, "")
    theirs = tmp_path / "theirs.json"
    theirs.write_text(told)
    picture = tmp_path / "both.png"

    code, told, err = await daemon.ftctl(
        "compare", "here", theirs, "-o", "json", "--plot", picture, "--x", "log"
    )

    assert (code, err) == (0, "")
    (pair,) = json.loads(told)["pairs"]
    assert pair["is_repeat"]
    assert pair["mcnemar"]["images"] == 539
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")
    assert len(picture.read_bytes()) > 20_000


async def test_repeats_have_a_row_of_their_own(daemon: Serving) -> None:
    await trained(daemon, "once")
    thrice = await trained(daemon, "thrice", repeats=3)

    compared = await daemon.client.compare(["once", "thrice"])

    assert thrice.outcome is not None
    assert thrice.outcome.spread is not None
    assert compared.result("mean_accuracy").values == (None, thrice.outcome.spread.mean)
    assert compared.pairs[0].is_repeat
    assert compared.pairs[0].mcnemar is not None
