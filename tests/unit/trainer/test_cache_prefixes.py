"""So many chunks of images are passed at once through a frozen prefix, and it changes nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import features
from torch import Tensor, nn

from fttrain.cache import prefixes
from tests.passing import Run, make_weights, recipe, same
from tests.photos import make_photo_folder

SHAPE = (3, 32, 32)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prefixes") / "photos"
    return make_photo_folder(folder, per_class=20, val_per_class=10)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Have torch take so many."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def depending_on(run: Run, what: Any) -> None:
    """Have a layer of the prefix add what depends on something else than its images."""
    layer = run.training.net.module.get_submodule("stage2.0")

    def mixed(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        added: Tensor = output + what(output)
        return added

    layer.register_forward_hook(mixed)


def test_each_thread_has_a_chunk_of_its_own(photos: Path, weights: Path, threads: int) -> None:
    run = Run(recipe(photos, weights))

    assert prefixes.most_at_once(run.training, SHAPE) == threads


@pytest.mark.parametrize(("room", "count"), [(1, 1), (2, 2), (3, 2)])
def test_so_many_chunks_are_made_at_once_as_memory_is_meant_for(
    photos: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, room: int, count: int
) -> None:
    run = Run(recipe(photos, weights))
    # The first BatchNorm takes 24 numbers of each fourth pixel, and makes as many.
    held = run.training.chunk * 16 * 16 * (24 + 24) * 4
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(prefixes, "_AT_ONCE_BYTES", room * held)
    try:
        assert prefixes.most_at_once(run.training, SHAPE) == count
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("library", ["pil", "jpg", "libjpeg_turbo", "webp"])
def test_features_of_what_another_library_decodes_are_others(
    photos: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    run = Run(recipe(photos, weights))
    here, plainly = prefixes.digest(run.training, run.plan), features.version
    assert prefixes.digest(run.training, run.plan) == here

    monkeypatch.setattr(features, "version", lambda name: plainly(name) + "1" * (name == library))

    assert prefixes.digest(run.training, run.plan) != here


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_so_passed_features_are_those_of_images(
    photos: Path, weights: Path, tmp_path: Path, threads: int, precision: str
) -> None:
    chosen = recipe(photos, weights, data={"augment": ["horizontal_flip"]}, precision=precision)
    run = Run(chosen)

    found = run.on_features(tmp_path)

    assert same(found, Run(chosen).on_images())
    assert [note.read_text() for note in tmp_path.rglob("alike-*")] == [str(threads)]
    assert run.made > 40  # In several groups, the last of which is not whole.


def test_a_prefix_that_depends_on_threads_is_passed_by_all_of_them(
    photos: Path, weights: Path, tmp_path: Path, threads: int
) -> None:
    runs = [Run(recipe(photos, weights)) for _ in range(2)]
    for run in runs:
        depending_on(run, lambda _: torch.get_num_threads())

    assert prefixes.most_at_once(runs[0].training, SHAPE) == 1
    assert same(runs[0].on_features(tmp_path), runs[1].on_images())


def test_where_a_row_depends_on_its_place_nothing_is_kept(
    photos: Path, weights: Path, threads: int
) -> None:
    run = Run(recipe(photos, weights))
    depending_on(run, lambda output: torch.arange(len(output)).view(-1, 1, 1, 1))

    assert prefixes.most_at_once(run.training, SHAPE) == 0


def test_what_was_tried_is_not_tried_again(photos: Path, weights: Path, tmp_path: Path) -> None:
    run = Run(recipe(photos, weights))
    first = prefixes.at_once(run.training, SHAPE, tmp_path)
    depending_on(run, lambda output: torch.arange(len(output)).view(-1, 1, 1, 1))

    assert prefixes.at_once(run.training, SHAPE, tmp_path) == first
    assert prefixes.at_once(run.training, (3, 24, 24), tmp_path) == 0


@pytest.mark.parametrize("left", ["", "two"])
def test_a_note_that_says_nothing_is_made_again(
    photos: Path, weights: Path, tmp_path: Path, left: str
) -> None:
    run = Run(recipe(photos, weights))
    note = tmp_path / "alike-3-32-32"
    note.write_text(left)

    found = prefixes.at_once(run.training, SHAPE, tmp_path)

    assert found > 0
    assert note.read_text() == str(found)


def test_where_no_note_can_be_left_it_is_tried_each_time(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    run = Run(recipe(photos, weights))
    folder = tmp_path / "features"
    folder.write_text("no folder")

    assert prefixes.at_once(run.training, SHAPE, folder) > 0
