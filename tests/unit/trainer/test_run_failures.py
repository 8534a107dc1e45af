"""A worker's run that fails: what it tells, and what it leaves."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from fttrain import run
from fttrain.events import (
    CheckpointSaved,
    Failed,
    Finished,
)
from fttrain.spec import rundir
from fttrain.state import checkpoint
from tests import engine
from tests.photos import damage_within, make_photo_folder

CROPPED: list[Any] = [{"random_resized_crop": {"size": 32}}, "horizontal_flip"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """18 photos to train on, of which batches of 4 leave 2; 6 to validate on."""
    root = tmp_path_factory.mktemp("run") / "photos"
    return make_photo_folder(root, per_class=9, val_per_class=3)


def failure(run_dir: Path) -> Failed:
    assert run.run(run_dir) == 1
    last = engine.records(run_dir)[-1]
    assert isinstance(last, Failed)
    return last


def test_a_loss_that_is_no_number_is_told_with_step_rate_and_checkpoint(
    tmp_path: Path, photos: Path
) -> None:
    jump = {"step": {"every": 1, "gamma": 1e30}}
    recipe = engine.photos(photos, optimizer={"sgd": {"lr": 1e-30}}, schedule=jump, epochs=4)
    failed = failure(engine.prepare(tmp_path / "run", recipe))

    assert failed.reason == "non_finite_loss"
    assert re.fullmatch(
        r"the loss is nan at step \d+ of 20 \(epoch 3, learning rate 1e\+30\); "
        r"checkpoints/last\.safetensors holds epoch 2",
        failed.message,
    )
    assert failed.remedy == "Lower the learning rate, or set train.clip_norm."
    kept, _ = checkpoint.read(tmp_path / "run" / rundir.LAST)
    assert all(torch.isfinite(value).all() for value in kept.values())


def test_a_net_that_broke_in_the_last_step_of_an_epoch_is_not_kept(
    tmp_path: Path, photos: Path
) -> None:
    jump = {"step": {"every": 1, "gamma": 1e30}}
    sgd = {"sgd": {"lr": 1e-30}}
    recipe = engine.photos(photos, optimizer=sgd, schedule=jump, epochs=4, batch_size=18)
    failed = failure(engine.prepare(tmp_path / "run", recipe))

    assert failed.message == (
        "the validation loss is nan after step 3 of 4 (epoch 3, learning rate 1e+30); "
        "checkpoints/last.safetensors holds epoch 2"
    )


def test_a_photo_that_is_damaged_within_is_named(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "photos")
    damage_within(root / "train" / "squares" / "002.jpg")
    failed = failure(engine.prepare(tmp_path / "run", engine.photos(root)))
    assert failed.reason == "bad_data"
    assert failed.message.startswith(
        "1 of 16 images cannot be read (6.25 %): train/squares/002.jpg is damaged: "
    )
    assert failed.remedy == "Replace or remove them, or raise data.max_bad; submit again."


def test_photos_that_changed_since_the_plan_are_not_trained_on(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "photos")
    run_dir = engine.prepare(tmp_path / "run", engine.photos(root))
    (root / "train" / "circles" / "000.jpg").unlink()
    failed = failure(run_dir)
    assert (failed.reason, failed.message) == (
        "bad_data", f"the images of folder {root} have changed since the plan"
    )  # fmt: skip
    assert failed.remedy == "Submit the job again: it is planned anew."


def test_a_folder_that_went_since_the_plan_is_told(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "photos")
    run_dir = engine.prepare(tmp_path / "run", engine.photos(root))
    root.rename(tmp_path / "elsewhere")
    failed = failure(run_dir)
    assert failed.reason == "bad_data"
    assert failed.message == (
        f"the data has changed since the plan: data.folder.path: {root} does not exist on this "
        "machine"
    )


def test_weights_that_changed_since_the_plan_are_not_used(tmp_path: Path, photos: Path) -> None:
    engine.trained(tmp_path / "first", engine.photos(photos, epochs=1))
    file = tmp_path / "first" / rundir.BEST
    model = {"cnn": {"channels": [4, 8], "dropout": 0.2}, "weights": f"file:{file}"}
    run_dir = engine.prepare(tmp_path / "run", engine.photos(photos, model))
    engine.trained(tmp_path / "other", engine.photos(photos, epochs=1, seed=1))
    (tmp_path / "other" / rundir.BEST).rename(file)

    failed = failure(run_dir)

    assert failed.reason == "bad_data"
    assert failed.message == f"{file} has changed since the job was planned"


def test_what_nobody_foresaw_is_told_with_a_traceback_in_the_log(
    tmp_path: Path, photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_dir = engine.prepare(tmp_path / "run", engine.photos(photos))
    (run_dir / rundir.PLAN).write_text("{}")
    failed = failure(run_dir)
    assert failed.reason == "worker_error"
    assert failed.message.startswith("ValidationError: ")
    assert failed.remedy == "The log has the traceback."
    assert "Traceback (most recent call last)" in capfd.readouterr().err


def test_a_worker_that_is_killed_leaves_whole_records_and_files(
    tmp_path: Path, photos: Path
) -> None:
    run_dir = engine.prepare(tmp_path / "run", engine.photos(photos, epochs=500))
    worker = subprocess.Popen(
        [sys.executable, "-c", "import sys, pathlib; from fttrain import run; "
         "run.run(pathlib.Path(sys.argv[1]))", str(run_dir)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert worker.stdout is not None
    with worker:
        for line in worker.stdout:
            if line.startswith("epoch 3/"):
                break
        worker.send_signal(signal.SIGTERM)
    assert worker.returncode == -signal.SIGTERM

    records = engine.records(run_dir)
    saved = [r for r in records if isinstance(r, CheckpointSaved)]
    assert {s.which for s in saved} == {"last", "best"}
    assert not any(isinstance(r, (Failed, Finished)) for r in records)
    checkpoint.read(run_dir / rundir.LAST)
    checkpoint.read(run_dir / rundir.BEST)
