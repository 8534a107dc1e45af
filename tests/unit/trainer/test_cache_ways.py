"""Features of images that are seen in several ways: each way is made once, with few reads."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fttrain.data.samples import Files
from fttrain.data.sparing import Sparing
from fttrain.data.view import TrainView
from fttrain.data.ways import Ways
from fttrain.spec.recipe import Recipe
from tests.passing import Run, make_weights, recipe, same
from tests.photos import make_photo_folder

FLIP = ["horizontal_flip"]
CROP = [{"random_resized_crop": {"size": 32}}, "color_jitter"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ways") / "photos"
    return make_photo_folder(place, per_class=9, val_per_class=3)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_weights(tmp_path_factory.mktemp("weights"))


def views(photos: Path, weights: Path, **data: Any) -> Recipe:
    return recipe(photos, weights, data={"augment": CROP, "views": 2, **data})


@pytest.mark.word("data.views")
def test_views_are_the_changes_of_as_many_epochs_taken_in_turns(
    photos: Path, weights: Path
) -> None:
    run = Run(views(photos, weights))
    free = TrainView(run.view.preprocess, run.recipe.data.augment, run.recipe.train.seed)
    for index in range(len(run.source.train)):
        picture = run.source.train.picture(index)
        seen = [run.view.pixels(picture, epoch=epoch, index=index) for epoch in range(1, 7)]
        drawn = [free.pixels(picture, epoch=number, index=index) for number in (0, 1)]
        turns = [[np.array_equal(each, own) for own in drawn] for each in seen]
        assert turns in ([[True, False], [False, True]] * 3, [[False, True], [True, False]] * 3)
    firsts = {run.view.turn(epoch=1, index=index, repeat=0) for index in range(18)}
    assert firsts == {0, 1}


def test_views_of_random_crops_are_kept(photos: Path, weights: Path, tmp_path: Path) -> None:
    chosen = views(photos, weights)
    images, first, again = Run(chosen).on_images(), Run(chosen), Run(chosen)
    assert same(images, first.on_features(tmp_path))
    assert same(images, again.on_features(tmp_path))
    assert (first.made, again.made) == (2 * 18 + 6, 0)


def test_loader_processes_make_the_same(photos: Path, weights: Path, tmp_path: Path) -> None:
    chosen = views(photos, weights, workers=2)
    run = Run(chosen)
    assert same(Run(chosen).on_images(), run.on_features(tmp_path))
    assert run.made == 2 * 18 + 6


def test_an_image_is_read_once_for_the_ways_in_which_it_is_soon_seen(
    photos: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = recipe(photos, weights, data={"augment": FLIP}, epochs=5)
    images, run = Run(chosen).on_images(), Run(chosen)
    read: list[int] = []
    reads = Files.picture
    monkeypatch.setattr(Files, "picture", lambda *given: read.append(given[1]) or reads(*given))

    assert same(images, run.on_features(tmp_path))

    chunks = -(-2 * 18 // run.training.chunk)
    assert len(read) <= 18 + 6 + chunks


@pytest.mark.parametrize("epochs", [2, 3])
def test_no_more_ways_are_made_than_will_be_seen(
    photos: Path, weights: Path, tmp_path: Path, epochs: int
) -> None:
    run = Run(recipe(photos, weights, data={"augment": FLIP}, epochs=epochs))
    ways = Ways.of(run.view)
    assert ways is not None
    seen = {
        (index, ways.number(epoch=epoch, index=index, repeat=0))
        for index in range(18)
        for epoch in range(1, epochs + 1)
    }
    run.on_features(tmp_path)
    assert run.made == len(seen) + 6
    assert 18 < len(seen) < 2 * 18


@pytest.mark.parametrize("said", [{}, {"augment": CROP, "views": 2}, {"augment": FLIP}])
def test_a_file_that_is_gone_is_a_bad_image_in_each_way(
    weights: Path, tmp_path: Path, said: dict[str, Any]
) -> None:
    photos = make_photo_folder(tmp_path / "photos", per_class=8)
    chosen = recipe(photos, weights, data=said, epochs=6)
    runs = [Run(chosen) for _ in range(2)]
    sorted((photos / "train" / "circles").iterdir())[1].unlink()
    for run in runs:
        run.source = run.source.with_splits(
            {"train": Sparing(run.source.train), "val": run.source.val}
        )
    assert same(runs[0].on_images(), runs[1].on_features(tmp_path / "cache"))


@pytest.mark.parametrize("most_bytes", [20_000, 60_000, 100_000])
def test_where_room_ends_amid_the_ways_they_are_made_when_they_are_wanted(
    photos: Path, weights: Path, tmp_path: Path, most_bytes: int
) -> None:
    chosen = recipe(photos, weights, data={"augment": FLIP}, epochs=6)
    images, run = Run(chosen).on_images(), Run(chosen)
    assert same(images, run.on_features(tmp_path, most_bytes))
