"""A run that keeps decoded images is, bit for bit, the run that decodes them in each epoch."""

import json
import multiprocessing
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fttrain import agenda, events, report, run
from fttrain.cache.room import Place
from fttrain.data import sources
from fttrain.data.stream import Batch, Stream, Task
from fttrain.models import tensors
from fttrain.spec import faults, rundir
from fttrain.spec.recipe import Recipe
from fttrain.supply import Supply
from tests import engine
from tests.fakes.writer import a_writer
from tests.photos import make_photo_folder

RESIZED = {"random_resized_crop": {"size": 32}}
CROPPED = {"random_crop": {"size": 16, "padding": 2}}
SIXTEEN: dict[str, Any] = {"mean": [0.5], "std": [0.5]}
ROOM = 1 << 30


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pictures") / "photos"
    return make_photo_folder(place, per_class=6, val_per_class=3)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 16 x 16 pixels."""
    root, chance = tmp_path_factory.mktemp("small") / "small", np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 5)):
        for name in ("one", "two"):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = chance.integers(0, 256, (16, 16, 3), np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{number}.jpg")
    return root


def recipe(folder: Path, *, cache: str = "auto", epochs: int = 3, **said: Any) -> Recipe:
    data = {"folder": {"path": str(folder)}, "preprocess": engine.FRAMED, "cache": cache}
    train = {"batch_size": 4, "optimizer": engine.SGD, **said.pop("train", {"epochs": epochs})}
    body = {"data": {**data, **said}, "model": {"cnn": {"channels": [4, 8]}}, "train": train}
    return faults.parse(json.dumps({**body, "outputs": []}))


def ran(
    run_dir: Path, chosen: Recipe, cache: Path | None = None, *, room: int = ROOM
) -> dict[str, torch.Tensor]:
    """Return the tensors of the net that comes of it."""
    engine.prepare(run_dir, chosen)
    card = rundir.read_attempt(run_dir)
    if cache is not None:
        card = replace(card, cache=str(cache), cache_bytes=room)
    rundir.write_card(run_dir / rundir.ATTEMPT, card)
    assert run.run(run_dir) == 0
    return dict(tensors.read(run_dir / rundir.MODEL).tensors)


def are_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one.keys() | other.keys())


def scores(run_dir: Path) -> list[Any]:
    ended = [each for each in engine.records(run_dir) if isinstance(each, events.EpochEnded)]
    return [(each.train, each.val) for each in ended]


STAGES = {"stages": [{"epochs": 1}, {"epochs": 2, "augment": [RESIZED, "horizontal_flip"]}]}


@pytest.mark.word("data.cache")
@pytest.mark.parametrize(
    "said",
    [
        {"workers": 0},
        {"workers": 2, "augment": [RESIZED, "horizontal_flip"]},
        {"workers": 1, "augment": ["horizontal_flip", "color_jitter"], "repeats": 2},
        {"workers": 1, "train": STAGES},
        {"workers": 0, "train": {"epochs": 2, "repeats": 2, "bn": "recalibrate"}},
        {"workers": 1, "decode_min_side": 16, "augment": ["horizontal_flip"], "views": 3},
    ],
    ids=["plain", "resized-crop", "colour", "stages", "repeats", "views"],
)
def test_a_run_by_the_cache_is_the_run_without(
    photos: Path, tmp_path: Path, said: dict[str, Any]
) -> None:
    without = ran(tmp_path / "without", recipe(photos, cache="none", **said))
    runs = {
        "own": None,
        "first": tmp_path / "cache",
        "later": tmp_path / "cache",
    }
    for name, cache in runs.items():
        assert are_same(without, ran(tmp_path / name, recipe(photos, **said), cache))
        assert scores(tmp_path / name) == scores(tmp_path / "without")
    assert any((tmp_path / "cache" / "pictures").rglob("*.index"))
    assert not (tmp_path / "own" / "cache").exists()


@pytest.mark.parametrize("workers", [None, 0, 2])
def test_small_images_taken_by_the_batch_make_the_same_run(
    small: Path, tmp_path: Path, workers: int | None
) -> None:
    said: dict[str, Any] = {
        "augment": [CROPPED, "horizontal_flip"],
        "preprocess": SIXTEEN | {"crop": 16},
    }
    said |= {"workers": workers} if workers is not None else {}
    without = ran(tmp_path / "without", recipe(small, cache="none", **said))
    kept = ran(tmp_path / "kept", recipe(small, **said), tmp_path / "cache")
    later = ran(tmp_path / "later", recipe(small, **said), tmp_path / "cache")

    assert are_same(without, kept)
    assert are_same(without, later)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_cache_that_goes_amid_a_run_changes_nothing(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    chosen = recipe(photos, augment=[RESIZED], workers=workers)
    without = ran(tmp_path / "without", recipe(photos, cache="none", augment=[RESIZED]))
    plainly, gone = Stream.run, []

    def runs(stream: Stream, plan: Any) -> Iterator[Batch]:
        for number, batch in enumerate(plainly(stream, plan)):
            if number % 2:
                gone.append(number)
                shutil.rmtree(tmp_path / "cache", ignore_errors=True)
            yield batch

    monkeypatch.setattr(Stream, "run", runs)
    assert are_same(without, ran(tmp_path / "run", chosen, tmp_path / "cache"))
    assert gone


def test_statistics_are_taken_in_the_epoch_under_way(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = recipe(photos, workers=0, train={"epochs": 2, "bn": "recalibrate"})
    asked: list[int] = []
    plainly = Stream.run

    def runs(stream: Stream, plan: Iterable[Task]) -> Iterator[Batch]:
        tasks = list(plan)
        # Every training image as it is: a pass for the statistics.
        if len({*np.concatenate([task.indices for task in tasks]).tolist()}) == sum(
            len(task.indices) for task in tasks
        ) == 12:  # fmt: skip
            asked.append(tasks[0].epoch)
        return plainly(stream, tasks)

    monkeypatch.setattr(Stream, "run", runs)
    ran(tmp_path / "run", chosen, tmp_path / "cache")
    assert asked == [1, 1, 2]


def test_without_room_it_is_said_and_nothing_is_kept(photos: Path, tmp_path: Path) -> None:
    without = ran(tmp_path / "without", recipe(photos, cache="none"))
    kept = ran(tmp_path / "run", recipe(photos), tmp_path / "cache", room=20_000)

    assert are_same(without, kept)
    assert not any((tmp_path / "cache").rglob("*.rows"))
    told = [each for each in engine.records(tmp_path / "run") if isinstance(each, events.Notice)]
    assert [each.message for each in told if "decoded" in each.message] == [
        "images are decoded in each epoch: kept, they would take 0.055 MB, more than half of the "
        "0.02 MB that all caches may take (`cache_limit` of the daemon)"
    ]


@pytest.mark.parametrize("workers", [0, 1])
def test_where_others_take_the_room_meanwhile_it_is_said_once(
    photos: Path, tmp_path: Path, workers: int
) -> None:
    without = ran(tmp_path / "without", recipe(photos, cache="none"))
    cache, chosen = tmp_path / "cache", recipe(photos, workers=workers)
    with a_writer(cache / "pictures" / "theirs", arrays=1100):
        kept = ran(tmp_path / "run", chosen, cache, room=170_000)

    assert are_same(without, kept)
    assert len([*cache.rglob("*.rows")]) > 1
    told = [each for each in engine.records(tmp_path / "run") if isinstance(each, events.Notice)]
    assert [each.message for each in told if "decoded" in each.message] == [
        "some images are decoded in each epoch: there is no more room in the 0.17 MB that all "
        "caches may take (`cache_limit` of the daemon), or on the disk"
    ]


@pytest.mark.parametrize(
    ("workers", "room", "count"), [(None, 5000, 2), (None, ROOM, 0), (0, 5000, 0)]
)
def test_who_decodes_in_each_epoch_does_not_wait_though_the_plan_counted_on_kept_images(
    small: Path, tmp_path: Path, workers: int | None, room: int, count: int
) -> None:
    said = {"workers": workers} if workers is not None else {}
    chosen = recipe(small, augment=["horizontal_flip"], preprocess=SIXTEEN | {"crop": 16}, **said)
    plan, source = engine.planned(chosen), sources.load(chosen.data)
    assert plan.loader_workers == 0
    told: list[str] = []
    with ExitStack() as stack:
        supply = Supply(
            recipe=chosen, plan=plan, source=source, begin=agenda.Place(), stack=stack,
            place=Place(root=tmp_path, most_bytes=room), known={}, tell=told.append,
        )  # fmt: skip
        next(supply.batches)
        assert len(multiprocessing.active_children()) == count  # To train and to validate.
    assert len(told) == (room < ROOM)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"cache": "none"}, "data.cache is none"),
        ({"epochs": 1}, "one epoch sees each of them once"),
        (
            {"train": {"epochs": 3, "trains": "head"}},
            "what frozen blocks make of them is kept instead",
        ),
    ],
)
def test_the_plan_says_why_nothing_is_kept(photos: Path, said: dict[str, Any], why: str) -> None:
    card = engine.planned(recipe(photos, **said)).pictures
    assert card is not None
    assert (card.is_kept, card.why) == (False, why)


def test_the_plan_says_that_large_images_are_not_kept(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "photos", per_class=4, val_per_class=2)
    for file in root.rglob("*.jpg"):
        Image.new("RGB", (900, 700)).save(file)
    plan = engine.planned(recipe(root, augment=[RESIZED]))
    assert plan.pictures is not None
    assert (plan.pictures.is_kept, plan.pictures.bytes_per_image) == (False, 900 * 700 * 3)
    assert plan.pictures.why == (
        "one takes 1.9 MB, over 1.5 MB; data.decode_min_side makes less of large JPEGs"
    )
    less = engine.planned(recipe(root, augment=[RESIZED], decode_min_side=64)).pictures
    assert less is not None
    assert (less.is_kept, less.bytes_per_image) == (True, 113 * 88 * 3)
    framed = engine.planned(recipe(root, augment=["horizontal_flip"])).pictures
    assert framed is not None
    assert (framed.is_kept, framed.bytes_per_image) == (True, 32 * 32 * 3)


def test_what_is_taken_by_the_batch_needs_no_loader_process(small: Path) -> None:
    said: dict[str, Any] = {
        "augment": [CROPPED, "horizontal_flip"],
        "preprocess": SIXTEEN | {"crop": 16},
    }

    def planned(**more: Any) -> tuple[int, bool]:
        plan = engine.planned(recipe(small, **said | more))
        assert plan.pictures is not None
        return plan.loader_workers, plan.pictures.is_batched

    assert planned() == (0, True)
    assert planned(workers=1) == (1, True)
    assert planned(augment=[CROPPED, "color_jitter"]) == (1, False)
    assert planned(cache="none") == (1, False)


def test_stages_say_it_each(photos: Path) -> None:
    plan = engine.planned(recipe(photos, train=STAGES))
    kept = [card.pictures.is_kept for card in plan.stages if card.pictures is not None]
    assert (plan.pictures, kept) == (None, [True, True])


def test_the_report_says_what_is_kept(photos: Path) -> None:
    lines = {cache: report.plan_lines(engine.planned(recipe(photos, cache=cache))) for cache in
             ("auto", "none")}  # fmt: skip
    assert "; decoded once and kept, 3.1 kB each" in " ".join(lines["auto"])
    assert "; not kept (data.cache is none)" in " ".join(lines["none"])
