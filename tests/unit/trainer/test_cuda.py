"""The engine on a GPU: it learns there, and what it leaves is the processor's to read."""

from pathlib import Path

import pytest
import torch

from fttrain import plan, predict
from fttrain.events import EpochEnded
from fttrain.spec.plan import Means
from fttrain.spec.rundir import BEST
from fttrain.state import checkpoint
from tests import engine
from tests.photos import make_photo_folder


@pytest.mark.gpu
def test_a_run_on_a_gpu_learns_and_leaves_files_for_any_machine(tmp_path: Path) -> None:
    photos = make_photo_folder(tmp_path / "photos", per_class=32, val_per_class=8)
    recipe = engine.photos(photos, epochs=4, batch_size=8)
    means = Means(cpus=2, device="cuda", accelerator=torch.cuda.get_device_name())

    run_dir = tmp_path / "run"
    records = engine.trained(run_dir, recipe, plan.make(recipe, references={}, means=means))
    ended = [record for record in records if isinstance(record, EpochEnded)]

    assert ended[-1].val is not None
    assert ended[-1].val.accuracy > 0.8
    assert ended[-1].memory_bytes > 2**20
    tensors, _ = checkpoint.read(run_dir / BEST)
    assert {tensor.device.type for tensor in tensors.values()} == {"cpu"}
    seen = list(predict.predict(run_dir, sorted((photos / "val").rglob("*.png"))))
    assert len(seen) == 16


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["bf16", "fp16", "auto"])
def test_a_run_in_half_the_bits_learns_and_its_scale_is_kept(
    tmp_path: Path, precision: str
) -> None:
    photos = make_photo_folder(tmp_path / "photos", per_class=32, val_per_class=8)
    words = {"precision": precision, "ema": {"decay": 0.5, "every": 1}, "bn": "recalibrate"}
    recipe = engine.photos(photos, epochs=4, batch_size=8, **words)
    means = Means(cpus=2, device="cuda", accelerator=torch.cuda.get_device_name())
    made = plan.make(recipe, references={}, means=means)

    records = engine.trained(tmp_path / "run", recipe, made)

    ended = [record for record in records if isinstance(record, EpochEnded)]
    assert made.precision == ("bf16" if precision == "auto" else precision)
    assert ended[-1].val is not None
    assert ended[-1].val.accuracy > 0.8
    _, card = checkpoint.read(tmp_path / "run" / BEST)
    assert bool(card.scaler) == (precision == "fp16")
