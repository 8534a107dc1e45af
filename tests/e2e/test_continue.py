"""A job trains on where an ended one was: `train.continue: job:NAME`."""

from pathlib import Path

import pytest

from ftctl import InvalidJob, JobState
from tests.e2e.recipes import small
from tests.e2e.serving import Serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_job_trains_on_where_an_ended_one_was(daemon: Serving, photos: Path) -> None:
    first = await daemon.client.submit({**small(photos, epochs=2), "name": "ten"})
    ten = (await first.wait()).check()
    whole = (await (await daemon.client.submit(small(photos, epochs=4))).wait()).check()
    recipe = small(photos, epochs=4)
    recipe["train"] = {**recipe["train"], "continue": "job:ten"}
    second = await daemon.client.submit({**recipe, "name": "fifteen"})

    fifteen = (await second.wait()).check()

    assert [epoch.val for epoch in fifteen.epochs] == [epoch.val for epoch in whole.epochs]
    assert [epoch.val for epoch in fifteen.epochs[:2]] == [epoch.val for epoch in ten.epochs]
    assert fifteen.state is JobState.SUCCEEDED


async def test_a_job_that_is_not_there_cannot_be_gone_on_with(
    daemon: Serving, photos: Path
) -> None:
    recipe = small(photos)
    recipe["train"] = {**recipe["train"], "continue": "job:nobody"}
    with pytest.raises(InvalidJob) as refused:
        await daemon.client.submit(recipe)
    assert [fault.field for fault in refused.value.faults] == ["train.continue"]
