"""A device's memory that runs out, for real: halved batches fit beside what others hold."""

from pathlib import Path

import pytest
import torch

from ftctl.models import JobState, OutcomeReason
from tests.chaos.failures import NO_NORM
from tests.e2e.recipes import small
from tests.e2e.serving import serving
from tests.photos import make_photo_folder

LEFT = 3 << 30
"""What is left of the device: too little for 64 large images at once, enough for 8."""


@pytest.mark.gpu
@pytest.mark.timeout(300)
async def test_a_full_device_halves_the_batches_until_they_fit(tmp_path: Path) -> None:
    photos = make_photo_folder(tmp_path / "photos", per_class=32, size=(64, 48), val_per_class=2)
    job = small(photos, name="full", epochs=1, batch_size=64, trains=NO_NORM)
    job["data"]["preprocess"] |= {"resize": 320, "crop": 320}
    job |= {"model": {"cnn": {"channels": [64], "pool": 0}}, "outputs": [], "retries": 6}
    free, _ = torch.cuda.mem_get_info()
    held = torch.empty(free - LEFT, dtype=torch.uint8, device="cuda")

    async with serving(tmp_path / "state", devices="nvidia") as daemon:
        handle = await daemon.client.submit(job)
        await daemon.client.wait(handle.id, timeout_s=240)
        ended = await daemon.client.get(handle.id)
    del held

    first = ended.attempts[0].outcome
    assert first is not None
    assert first.reason is OutcomeReason.OUT_OF_MEMORY
    assert first.message.startswith("The device's memory ran out: CUDA out of memory. ")
    assert first.message.endswith("Batches had 64 images.")
    assert first.remedy == "Say train.batch_size: 32 and train.accumulate: 2; submit again."
    assert first.log_tail[-1] == f"failed: {first.message}"
    assert ended.state is JobState.SUCCEEDED, ended.outcome
    assert ended.failures >= 1
    assert ended.inexact == (
        f"batches of 64 in passes of {64 >> ended.failures} after memory ran out: sums are rounded "
        "otherwise"
    )
