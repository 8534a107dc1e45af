"""A worker's run, from its run directory to its end."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from fttrain.artifacts.export import read_model
from fttrain.events import (
    ArtifactMade,
    EpochEnded,
    Finished,
    Header,
    Notice,
    PhaseChanged,
    Started,
    Steps,
)
from fttrain.models import tensors
from fttrain.score import wilson
from fttrain.spec import rundir
from fttrain.spec.recipe import Recipe
from fttrain.state import checkpoint
from tests import engine
from tests.photos import make_photo_folder

CROPPED: list[Any] = [{"random_resized_crop": {"size": 32}}, "horizontal_flip"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """18 photos to train on, of which batches of 4 leave 2; 6 to validate on."""
    root = tmp_path_factory.mktemp("run") / "photos"
    return make_photo_folder(root, per_class=9, val_per_class=3)


def augmented(root: Path, *, workers: int = 0, **train: Any) -> Recipe:
    """Return a recipe that draws random numbers wherever one can."""
    data = {
        "folder": {"path": str(root)},
        "preprocess": engine.FRAMED,
        "augment": CROPPED,
        "workers": workers,
    }
    return engine.parsed(data, {"cnn": {"channels": [4, 8], "dropout": 0.5}}, train)


# --- the journal ----------------------------------------------------------------------------


def test_the_journal_tells_the_run_in_order(tmp_path: Path, photos: Path) -> None:
    records = engine.trained(tmp_path / "run", engine.photos(photos, evaluate_first=True))

    told = [r.kind if not isinstance(r, PhaseChanged) else f"{r.phase} {r.epoch}" for r in records]
    once = [kind for i, kind in enumerate(told) if kind != "steps" or told[i - 1] != "steps"]
    assert once[:13] == [
        "header", "started", "setup 0", "notice", "evaluating 0", "epoch", "training 1", "steps",
        "evaluating 1", "checkpointing 1", "epoch", "checkpoint", "checkpoint",
    ]  # fmt: skip
    assert once[-11:] == [
        "exporting 2", *["artifact"] * 4, "evaluated", *["artifact"] * 4, "finished",
    ]  # fmt: skip
    assert records[0] == Header(format=1, job_id="0123", attempt=1)
    assert records[1] == Started(pid=os.getpid())


def test_each_step_is_told_once_with_its_rate_and_loss(tmp_path: Path, photos: Path) -> None:
    recipe = engine.photos(photos, epochs=3, accumulate=2)
    records = engine.trained(tmp_path / "run", recipe)

    steps = [record for record in records if isinstance(record, Steps)]
    numbers = [n for s in steps for n in range(s.first, s.last + 1)]
    assert numbers == list(range(1, 10))
    assert steps[0].last == 1
    assert {s.steps for s in steps} == {9}
    assert all(len(s.losses) == len(s.lrs) for s in steps)
    assert all(math.isfinite(loss) for s in steps for loss in s.losses)
    assert [s.epoch for s in steps] == sorted(s.epoch for s in steps)
    assert all(s.images_per_second > 0 for s in steps)
    ended = [record for record in records if isinstance(record, EpochEnded)]
    assert steps[-1].images == sum(each.train.count for each in ended if each.train)
    assert steps[-1].data_wait_s > 0
    assert all(0 <= s.data_wait_ratio <= 1 for s in steps)


def test_the_rate_of_each_step_is_torchs(tmp_path: Path, photos: Path) -> None:
    recipe = engine.photos(
        photos,
        epochs=6,
        warmup={"epochs": 2, "start": 0.1},
        schedule={"cosine": {"eta_min": 0.001}},
        trains=["head", "last:1"],
        groups=[{"select": "head"}, {"select": "last:1", "lr": 0.02}],
    )
    records = engine.trained(tmp_path / "run", recipe)

    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.05, 0.02)]
    optimizer = torch.optim.SGD(groups)
    warm, cosine = LinearLR(optimizer, 0.1, total_iters=2), CosineAnnealingLR(optimizer, 4, 0.001)
    scheduler = SequentialLR(optimizer, [warm, cosine], [2])
    theirs = []
    for _ in range(6):
        theirs += [[float(group["lr"]) for group in optimizer.param_groups]] * 5
        optimizer.step()
        scheduler.step()
    ours = [lrs for r in records if isinstance(r, Steps) for lrs in r.lrs]
    assert len(ours) == 30
    assert np.allclose(ours, theirs, rtol=0, atol=1e-12)


def test_an_epoch_tells_scores_with_intervals_speed_memory_and_time(
    tmp_path: Path, photos: Path
) -> None:
    records = engine.trained(tmp_path / "run", engine.photos(photos))

    ended = [record for record in records if isinstance(record, EpochEnded)]
    assert [(e.epoch, e.step) for e in ended] == [(1, 5), (2, 10)]
    for epoch in ended:
        assert epoch.train is not None
        assert (epoch.train.count, epoch.val.count) == (18, 6)
        low, high = wilson(epoch.val.correct, 6)
        assert (epoch.val.accuracy_low, epoch.val.accuracy_high) == (low, high)
        assert epoch.lrs == [0.05]
        assert epoch.images_per_second > 0
        assert epoch.memory_bytes > 50e6
        assert epoch.seconds > 0
    assert ended[0].best


def test_an_evaluation_first_changes_nothing_else(tmp_path: Path, photos: Path) -> None:
    plain = engine.trained(tmp_path / "plain", augmented(photos))
    first = engine.trained(tmp_path / "first", augmented(photos, evaluate_first=True))

    ended = [record for record in first if isinstance(record, EpochEnded)]
    assert [e.epoch for e in ended] == [0, 1, 2]
    assert (ended[0].step, ended[0].train, ended[0].best) == (0, None, False)
    expected = [record.val for record in plain if isinstance(record, EpochEnded)]
    assert [e.val for e in ended[1:]] == expected
    assert_same_weights(tmp_path / "plain", tmp_path / "first")


def test_notices_of_the_plan_are_told(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "photos")
    (root / "train" / "circles" / "readme.txt").write_text("no photo")
    records = engine.trained(tmp_path / "run", engine.photos(root))
    assert Notice(message="1 file is no image and is left out: train/circles/readme.txt") in records


def test_max_steps_cuts_the_run_and_leaves_the_rates(tmp_path: Path, photos: Path) -> None:
    whole = engine.photos(photos, epochs=4, accumulate=2, schedule="cosine")
    cut = engine.photos(photos, epochs=4, accumulate=2, schedule="cosine", max_steps=5)
    rates, cut_rates = (
        [
            lr
            for r in engine.trained(tmp_path / name, recipe)
            if isinstance(r, Steps)
            for lr in r.lrs
        ]
        for name, recipe in (("whole", whole), ("cut", cut))
    )
    ended = [r for r in engine.records(tmp_path / "cut") if isinstance(r, EpochEnded)]
    assert cut_rates == rates[:5]
    assert [(e.epoch, e.step) for e in ended] == [(1, 3), (2, 5)]
    assert ended[1].train is not None
    assert ended[1].train.count == 16


# --- what it leaves -------------------------------------------------------------------------


def test_the_best_epoch_is_exported_with_all_that_is_needed_to_use_it(
    tmp_path: Path, photos: Path
) -> None:
    recipe = engine.photos(photos, epochs=3)
    records = engine.trained(tmp_path / "run", recipe)

    best = [r for r in records if isinstance(r, EpochEnded) and r.best][-1]
    made = [r for r in records if isinstance(r, ArtifactMade)]
    assert [(m.what, m.path) for m in made] == [
        ("model", "artifacts/model.safetensors"),
        ("picture/curves", "artifacts/curves.png"),
        ("data/curves", "artifacts/curves.json"),
        ("picture/curves-loglog", "artifacts/curves-loglog.png"),
        ("data/scores", "artifacts/scores.json"),
        ("table/verdicts", "artifacts/verdicts.csv"),
        ("picture/confusion", "artifacts/confusion.png"),
        ("data/confusion", "artifacts/confusion.json"),
    ]
    assert records[-1] == Finished(best_epoch=best.epoch, best_accuracy=best.val.accuracy)
    state, card = read_model(tmp_path / "run" / rundir.MODEL)
    assert card.classes == ("circles", "squares")
    assert card.recipe == recipe
    assert (card.origin.job_name, card.origin.epoch, card.origin.val) == (
        "tested", best.epoch, best.val,
    )  # fmt: skip
    kept, _ = checkpoint.read(tmp_path / "run" / rundir.BEST)
    assert all(torch.equal(state[name], value) for name, value in kept.items())


def test_no_pictures_where_none_are_asked_for(tmp_path: Path, photos: Path) -> None:
    data = {"folder": {"path": str(photos)}, "preprocess": engine.FRAMED}
    recipe = engine.parsed(data, {"cnn": {}}, {"epochs": 1}, outputs=[])
    records = engine.trained(tmp_path / "run", recipe)
    assert [r.what for r in records if isinstance(r, ArtifactMade)] == [
        "model", "data/scores", "table/verdicts", "data/confusion",
    ]  # fmt: skip


# --- determinism ----------------------------------------------------------------------------


def weights(run_dir: Path) -> Mapping[str, torch.Tensor]:
    return tensors.read(run_dir / rundir.LAST).tensors


def assert_same_weights(one: Path, other: Path) -> None:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_the_same_recipe_gives_the_same_bits_for_any_number_of_loaders(
    tmp_path: Path, photos: Path, workers: int
) -> None:
    first = engine.trained(tmp_path / "first", augmented(photos))
    torch.manual_seed(workers)  # Whatever the process did before.
    second = engine.trained(tmp_path / "second", augmented(photos, workers=workers))

    assert_same_weights(tmp_path / "first", tmp_path / "second")
    losses = [
        [x for r in told if isinstance(r, Steps) for x in r.losses] for told in (first, second)
    ]
    assert losses[0] == losses[1]


def test_another_seed_gives_other_bits(tmp_path: Path, photos: Path) -> None:
    engine.trained(tmp_path / "first", augmented(photos))
    engine.trained(tmp_path / "second", augmented(photos, seed=1))
    assert not torch.equal(
        weights(tmp_path / "first")["model/head.weight"],
        weights(tmp_path / "second")["model/head.weight"],
    )


@pytest.mark.slow
def test_real_photos_give_the_same_bits_for_any_number_of_loaders(
    tmp_path: Path, hymenoptera: Path, shared: Path
) -> None:
    def recipe(workers: int, seed: int = 0) -> Recipe:
        crop = [{"random_resized_crop": {"size": 96}}, "horizontal_flip"]
        data = {"folder": {"path": str(hymenoptera)}, "augment": crop, "workers": workers}
        file = shared / "weights" / "mobilenet_v2-b0353104.pth"
        model = {"name": "mobilenet_v2", "weights": f"file:{file}"}
        return engine.parsed(data, model, {"batch_size": 8, "max_steps": 6, "seed": seed})

    for name, chosen in {
        "first": recipe(0), "again": recipe(0), "one": recipe(1), "three": recipe(3),
        "other": recipe(0, seed=1),
    }.items():  # fmt: skip
        engine.trained(tmp_path / name, chosen)

    for name in ("again", "one", "three"):
        assert_same_weights(tmp_path / "first", tmp_path / name)
    first, other = weights(tmp_path / "first"), weights(tmp_path / "other")
    assert not torch.equal(first["model/classifier.1.weight"], other["model/classifier.1.weight"])
