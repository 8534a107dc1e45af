"""Training on kept features is training on images, bit for bit, wherever the features come from."""

import multiprocessing
import os
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from fttrain import agenda, loop
from fttrain.cache.features import Passing
from fttrain.cache.room import Place
from fttrain.data.samples import Files
from fttrain.data.sparing import Sparing
from fttrain.data.stream import Stream, Task
from tests import engine
from tests.passing import EPOCHS, Run, make_weights, recipe, same
from tests.photos import make_photo_folder

FLIP = ["horizontal_flip"]
BOTH = [{"horizontal_flip": {"p": 0.3}}, "vertical_flip", {"autocontrast": {"p": 1}}]
CROP = [{"random_resized_crop": {"size": 32}}, "color_jitter"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photo_folder(
        tmp_path_factory.mktemp("features") / "photos", per_class=9, val_per_class=3
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_weights(tmp_path_factory.mktemp("weights"))


# What the tail of the net sees: numbers, or pictures.
TAILS = {"head": ["head"], "pictures": ["last:2", "head"]}


@pytest.mark.parametrize(
    ("augment", "tail", "precision"),
    [
        ([], "head", "fp32"),
        ([], "pictures", "bf16"),
        (FLIP, "head", "bf16"),
        (BOTH, "pictures", "fp32"),
    ],
)
def test_features_once_are_features_each_time(
    photos: Path, weights: Path, tmp_path: Path, augment: Any, tail: str, precision: str
) -> None:
    chosen = recipe(
        photos, weights, data={"augment": augment}, trains=TAILS[tail], precision=precision
    )
    images, first, again = Run(chosen).on_images(), Run(chosen), Run(chosen)
    assert same(images, first.on_features(tmp_path))
    assert same(images, again.on_features(tmp_path))
    ways = 1 if not augment else 2 ** sum("flip" in str(each) for each in augment)
    assert 18 + 6 <= first.made <= 18 * ways + 6
    assert again.made == 0


@pytest.mark.parametrize(
    ("net", "trains"),
    [
        ("shufflenet_v2_x0_5", ["last:1", "head"]),
        ("shufflenet_v2_x0_5", ["last:2", "head"]),
        ("mobilenet_v2", ["last:1", "head"]),
        ("swin_t", ["last:2", "head"]),
        ("swin_t", ["head"]),
    ],
)
def test_kept_features_lie_in_memory_as_they_were_made(
    photos: Path, weights: Path, tmp_path: Path, net: str, trains: list[str]
) -> None:
    run = Run(recipe(photos, weights, model={"name": net}, trains=trains))
    tasks = agenda.evaluation(run.plan, len(run.source.val), 1)
    (seen,) = Stream(run.source.val, run.eval_view, 0).run(tasks)
    made = loop.passed(run.training, seen.images)
    for _ in range(2):
        with run.passing(tmp_path) as passing:
            (kept,) = run.features(passing, "val").run(tasks)
        assert torch.equal(kept.images, made)
        assert kept.images.stride() == made.stride()


@pytest.mark.parametrize("most_bytes", [0, 60_000])
def test_without_room_features_are_made_each_time(
    photos: Path, weights: Path, tmp_path: Path, most_bytes: int
) -> None:
    chosen = recipe(photos, weights, data={"augment": FLIP, "repeats": 2})
    roomy, run = Run(chosen), Run(chosen)
    expected = roomy.on_features(tmp_path / "roomy")
    assert same(expected, run.on_features(tmp_path / "cramped", most_bytes))
    assert run.made > roomy.made
    tmp_path /= "cramped"
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.rows")) <= most_bytes


def test_what_is_removed_amid_a_run_is_not_missed(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    chosen = recipe(photos, weights)
    images = Run(chosen).on_images()
    Run(chosen).on_features(tmp_path)
    run = Run(chosen)
    with run.passing(tmp_path) as passing:
        train, val = run.features(passing, "train"), run.features(passing, "val")
        loop.evaluate(run.training, val.run(agenda.evaluation(run.plan, 6, 1)))
        shutil.rmtree(tmp_path)
        assert same(images, run._trained(train, val))
    assert run.made == 0


def test_each_epoch_notes_what_it_uses(photos: Path, weights: Path, tmp_path: Path) -> None:
    Run(recipe(photos, weights)).on_features(tmp_path)
    (index,) = tmp_path.rglob("*.index")
    os.utime(index, (1, 1))
    run = Run(recipe(photos, weights))

    run.on_features(tmp_path)

    assert run.made == 0
    assert index.stat().st_mtime > 1


def test_a_shelf_may_be_removed_before_it_is_written(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    chosen = recipe(photos, weights)
    images, run = Run(chosen).on_images(), Run(chosen)
    with run.passing(tmp_path) as passing:
        train, val = run.features(passing, "train"), run.features(passing, "val")
        shutil.rmtree(tmp_path / "features")
        assert same(images, run._trained(train, val))
    again = Run(chosen)
    assert same(images, again.on_features(tmp_path))
    assert again.made == 0


def test_a_shelf_may_be_removed_while_it_is_written(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    run = Run(recipe(photos, weights))
    with run.passing(tmp_path) as passing:
        run._trained(run.features(passing, "train"), run.features(passing, "val"))
        shutil.rmtree(tmp_path / "features")
    assert [*tmp_path.glob("features/*")] == []


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_removed_between_epochs_is_made_again(
    photos: Path, weights: Path, tmp_path: Path, workers: int
) -> None:
    run = Run(recipe(photos, weights, data={"workers": workers}))
    with run.passing(tmp_path) as passing:
        val, losses = run.features(passing, "val"), []
        for epoch in (1, 2, 3):
            tasks = agenda.evaluation(run.plan, len(run.source.val), epoch)
            losses.append(loop.evaluate(run.training, val.run(tasks)).loss)
            if epoch == 1:
                shutil.rmtree(tmp_path / "features")
    assert run.made == 2 * 6
    assert len({*losses}) == 1


def test_loader_processes_end_when_all_is_made(photos: Path, weights: Path, tmp_path: Path) -> None:
    run = Run(recipe(photos, weights, data={"workers": 2}))
    before = multiprocessing.active_children()
    with run.passing(tmp_path, most_bytes=0) as passing:
        val = run.features(passing, "val")
        for epoch in (1, 2, 3):
            tasks = agenda.evaluation(run.plan, len(run.source.val), epoch)
            loop.evaluate(run.training, val.run(tasks))
            assert multiprocessing.active_children() == before
    assert run.made == 3 * 6


def test_of_a_long_run_little_is_looked_at_ahead(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    chosen = recipe(photos, weights, epochs=30)
    Run(recipe(photos, weights)).on_features(tmp_path)
    run = Run(chosen)
    seen: list[weakref.ref[Any]] = []

    def tasks() -> Iterator[Task]:
        for task in agenda.training(chosen, run.plan, run.source.train.labels):
            own = task._replace(indices=task.indices.copy())
            seen.append(weakref.ref(own.indices))
            yield own

    with run.passing(tmp_path) as passing:
        for _ in run.features(passing, "train").run(tasks()):
            # itertools.tee keeps some dozens at a time.
            assert sum(each() is not None for each in seen) < 70
    assert len(seen) == 150


def test_a_changed_image_is_made_anew(
    weights: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    photos = make_photo_folder(tmp_path / "photos", per_class=3)
    Run(recipe(photos, weights)).on_features(tmp_path / "cache")
    changed, other = sorted((photos / "train" / "circles").iterdir())[:2]
    changed.write_bytes(other.read_bytes() + b"another")
    elsewhere = photos.rename(tmp_path / "moved")  # Where images lie does not matter.

    chosen = recipe(elsewhere, weights)
    run = Run(chosen)
    assert same(Run(chosen).on_images(), run.on_features(tmp_path / "cache"))
    assert run.made == 1


@pytest.mark.parametrize("augment", [[], FLIP])
def test_an_image_that_changes_before_it_is_read_is_not_kept_as_what_it_was(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, augment: Any
) -> None:
    photos = make_photo_folder(tmp_path / "photos", per_class=3)
    chosen = recipe(photos, weights, data={"augment": augment})
    expected, first, again = Run(chosen).on_images(), Run(chosen), Run(chosen)
    changed, other = sorted((photos / "train" / "circles").iterdir())[:2]
    before, after = changed.read_bytes(), other.read_bytes()
    read = Files.picture

    def replaced(files: Files, index: int) -> Image.Image:
        changed.write_bytes(after)  # All keys of the chunk were taken before.
        return read(files, index)

    with monkeypatch.context() as patch:
        patch.setattr(Files, "picture", replaced)
        first.on_features(tmp_path / "cache")
    changed.write_bytes(before)

    assert same(expected, again.on_features(tmp_path / "cache"))
    assert again.made >= 1


@pytest.mark.parametrize(
    "change",
    [
        {"precision": "bf16"},
        {"trains": ["last:1", "head"]},
        {"model": {"name": "shufflenet_v2_x0_5", "weights": "none"}},
        {"data": {"preprocess": {**engine.FRAMED, "mean": [0.4, 0.5, 0.5]}}},
    ],
    ids=["precision", "prefix", "weights", "preprocess"],
)
def test_what_decides_about_features_keeps_them_apart(
    photos: Path, weights: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    Run(recipe(photos, weights)).on_features(tmp_path)
    run = Run(recipe(photos, weights, **change))
    run.on_features(tmp_path)
    assert run.made == 18 + 6


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            {"rn": {"blocks": 1, "dropout": 0, "activation": "relu"}},
            {"rn": {"blocks": 1, "dropout": 0, "activation": "gelu"}},
        ),
        ({"cnn": {"channels": [8, 8], "pool": 1}}, {"cnn": {"channels": [8, 8], "pool": 2}}),
    ],
    ids=["activation", "pooling"],
)
def test_what_has_no_tensors_keeps_features_apart_too(
    photos: Path, weights: Path, tmp_path: Path, one: Any, other: Any
) -> None:
    Run(recipe(photos, weights, model=one)).on_features(tmp_path)
    chosen = recipe(photos, weights, model=other)
    run = Run(chosen)
    assert same(Run(chosen).on_images(), run.on_features(tmp_path))
    assert run.made == 18 + 6


def test_what_takes_the_place_of_a_bad_image_is_not_kept_as_its_own(
    weights: Path, tmp_path: Path
) -> None:
    photos = make_photo_folder(tmp_path / "photos", per_class=4)
    chosen = recipe(photos, weights)
    runs = [Run(chosen) for _ in range(3)]
    bad = sorted((photos / "train" / "circles").iterdir())[1]
    whole = bad.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2])
    for run in runs:
        run.source = run.source.with_splits(
            {"train": Sparing(run.source.train), "val": run.source.val}
        )

    images, first, again = runs
    expected = images.on_images()
    assert same(expected, first.on_features(tmp_path / "cache"))
    assert same(expected, again.on_features(tmp_path / "cache"))
    assert first.source.train.is_spared(1)  # type: ignore[attr-defined]
    # Once more each time that it is wanted, by chance of the order once with what comes next.
    assert 1 <= again.made <= EPOCHS


def test_a_prefix_that_looks_at_its_neighbours_is_not_kept(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    run = Run(recipe(photos, weights))
    layer = run.training.net.module.get_submodule("stage2.0")

    def mixed(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        weight = torch.arange(len(output)).view(-1, 1, 1, 1)
        return output + weight * output.mean()

    layer.register_forward_hook(mixed)
    place = Place(root=tmp_path, most_bytes=1 << 30)
    begun = Passing.begin(run.training, run.plan, place, shapes=[(3, 32, 32)])
    assert begun is None
    assert [*tmp_path.rglob("*.rows")] == []
