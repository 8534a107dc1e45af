"""A run that keeps what frozen blocks make of images is the run that makes it each time."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fttrain import agenda, events, report, run
from fttrain.cache import prefixes
from fttrain.cache.room import Place
from fttrain.data import sources
from fttrain.loop import Lead, Training
from fttrain.models import tensors
from fttrain.spec import faults, rundir
from fttrain.spec.recipe import Recipe
from fttrain.staging import Staging
from fttrain.supply import Supply
from tests import engine
from tests.fakes.writer import a_writer
from tests.passing import make_weights
from tests.photos import make_photo_folder

STAGES = [
    {"epochs": 2, "trains": "head"},
    {"epochs": 1, "trains": "all"},
    {"epochs": 2, "trains": ["last:1", "head"], "augment": ["horizontal_flip"]},
]

STAGED = {"batch_size": 4, "optimizer": {"sgd": {"lr": 0.001, "momentum": 0.9}}, "stages": STAGES}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("supply") / "photos"
    return make_photo_folder(place, per_class=6, val_per_class=3)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_weights(tmp_path_factory.mktemp("weights"))


def recipe(photos: Path, weights: Path, *, cache: str = "auto", **said: Any) -> Recipe:
    data = {"folder": {"path": str(photos)}, "preprocess": engine.FRAMED, "workers": 0}
    model = {"name": "shufflenet_v2_x0_5", "weights": f"file:{weights}"}
    train = said.pop("train", {"epochs": 3, "trains": "head", "evaluate_first": True})
    if "stages" in train:
        body = {"data": {**data, "cache": cache, **said}, "model": model, "train": train}
        return faults.parse(json.dumps({**body, "outputs": []}))
    return engine.parsed({**data, "cache": cache, **said}, model, train, outputs=[])


def ran(run_dir: Path, chosen: Recipe, cache: Path | None = None) -> Path:
    engine.prepare(run_dir, chosen)
    card = rundir.read_attempt(run_dir)
    if cache is not None:
        card = replace(card, cache=str(cache), cache_bytes=1 << 30)
    rundir.write_card(run_dir / rundir.ATTEMPT, card)
    assert run.run(run_dir) == 0
    return run_dir


def told(run_dir: Path) -> list[Any]:
    """Return what a run found, without times and memory."""
    return [
        replace(each, images_per_second=0, memory_bytes=0, seconds=0)
        if isinstance(each, events.EpochEnded)
        else each
        for each in engine.records(run_dir)
        if isinstance(each, events.EpochEnded | events.Evaluated)
    ]


def same(one: Path, other: Path) -> bool:
    """Compare digits and tensors; the recipes differ in `cache`."""
    nets = [tensors.read(each / rundir.MODEL).tensors for each in (one, other)]
    is_same_net = all(torch.equal(nets[0][name], nets[1][name]) for name in nets[0])
    return is_same_net and told(one) == told(other)


@pytest.mark.word("data.cache")
@pytest.mark.parametrize(
    "said",
    [
        {},
        {"augment": ["horizontal_flip"]},
        {"train": STAGED},
        {"train": {**STAGED, "ema": {"every": 1, "decay": 0.5}}},
        {"train": {"epochs": 2, "trains": "head", "repeats": 2, "ema": {"every": 1}}},
        {"train": {"epochs": 3, "trains": "head", "batch_size": 5, "accumulate": 2}},
    ],
    ids=["head", "flip", "stages", "stages-ema", "repeats", "accumulate"],
)
def test_a_run_by_the_cache_is_the_run_without(
    photos: Path, weights: Path, tmp_path: Path, said: dict[str, Any]
) -> None:
    without = ran(tmp_path / "without", recipe(photos, weights, cache="none", **said))
    own = ran(tmp_path / "own", recipe(photos, weights, **said))
    first = ran(tmp_path / "first", recipe(photos, weights, **said), tmp_path / "cache")
    later = ran(tmp_path / "later", recipe(photos, weights, **said), tmp_path / "cache")

    assert same(without, own)
    assert same(without, first)
    assert same(without, later)
    assert not (own / "cache").exists()
    is_kept = "ema" not in said.get("train", {}) or "stages" not in said["train"]
    assert is_kept == any((tmp_path / "cache" / "features").rglob("*.index"))


def test_without_a_cache_nothing_is_kept(photos: Path, weights: Path, tmp_path: Path) -> None:
    ran(tmp_path / "run", recipe(photos, weights, cache="none"), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_where_others_take_the_room_meanwhile_it_is_said_once(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    cache, room = tmp_path / "cache", 300_000
    engine.prepare(tmp_path / "run", recipe(photos, weights))
    card = replace(rundir.read_attempt(tmp_path / "run"), cache=str(cache), cache_bytes=room)
    rundir.write_card(tmp_path / "run" / rundir.ATTEMPT, card)
    with a_writer(cache / "pictures" / "theirs", arrays=2300):
        assert run.run(tmp_path / "run") == 0

    notices = [each for each in engine.records(tmp_path / "run") if isinstance(each, events.Notice)]
    assert [each.message for each in notices if "features" in each.message] == [
        "some features are made in each epoch: there is no more room in the 0.3 MB that all "
        "caches may take (`cache_limit` of the daemon), or on the disk"
    ]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"cache": "none"}, "data.cache is none"),
        ({"mix": [{"mixup": {}}]}, "data.mix makes new images of each batch"),
        (
            {"augment": [{"random_resized_crop": {"size": 32}}]},
            "random changes show an image anew in each epoch; data.views draws them so often",
        ),
        (
            {"augment": ["color_jitter"], "views": 4},
            "an image has 4 views, and 3 epochs need fewer",
        ),
        (
            {"augment": ["horizontal_flip"], "train": {"epochs": 1, "trains": "head"}},
            "an image has 2 views, and 1 epoch needs fewer",
        ),
        (
            {"train": {"epochs": 3, "trains": "head", "bn": "recalibrate"}},
            "train.bn recalibrate changes the frozen blocks before each evaluation",
        ),
    ],
)
def test_the_plan_says_why_nothing_is_kept(
    photos: Path, weights: Path, said: dict[str, Any], why: str
) -> None:
    card = engine.planned(recipe(photos, weights, **said)).features
    assert card is not None
    assert (card.views, card.why) == (0, why)


@pytest.mark.parametrize(
    ("said", "views"),
    [
        ({}, 1),
        ({"augment": ["horizontal_flip"]}, 2),
        ({"augment": [{"resize": {"size": 40}}, {"center_crop": {"size": 32}}]}, 1),
        ({"augment": ["color_jitter"], "views": 3}, 3),
    ],
)
def test_the_plan_says_what_is_kept(
    photos: Path, weights: Path, said: dict[str, Any], views: int
) -> None:
    card = engine.planned(recipe(photos, weights, **said)).features
    assert card is not None
    # The last convolution of this net has 1,024 outputs; they are averaged.
    assert (card.views, card.bytes_per_view, card.why) == (views, 1024 * 4, "")


def test_where_all_trains_there_is_nothing_to_keep(photos: Path, weights: Path) -> None:
    assert engine.planned(recipe(photos, weights, train={"epochs": 1})).features is None


def test_stages_say_it_each(photos: Path, weights: Path) -> None:
    chosen = recipe(photos, weights, train=STAGED)
    plan = engine.planned(chosen)
    views = [card.features.views if card.features else None for card in plan.stages]
    assert (plan.features, views) == (None, [1, None, 2])
    by_means = engine.planned(recipe(photos, weights, train={**STAGED, "ema": {}}))
    assert by_means.stages[2].features is not None
    why = "train.ema judges by means of what another stage may have trained"
    assert (by_means.stages[2].features.views, by_means.stages[2].features.why) == (0, why)
    assert json.loads(plan.model_dump_json())["stages"][1]["features"] is None


@pytest.mark.parametrize(
    ("train", "loaders"),
    [
        ({"epochs": 2, "trains": "head"}, "at most 1 loader process"),
        ({"epochs": 2, "trains": "all"}, "1 loader process"),
        (STAGED, "1 loader process"),
    ],
    ids=["head", "all", "stages"],
)
def test_the_report_promises_no_loader_where_features_may_need_none(
    photos: Path, weights: Path, train: dict[str, Any], loaders: str
) -> None:
    lines = report.plan_lines(engine.planned(recipe(photos, weights, workers=1, train=train)))
    (machine,) = (line for line in lines if line.startswith("machine "))
    assert machine.split(", ")[2] == loaders


def test_views_of_a_stage_without_changes_are_one(photos: Path, weights: Path) -> None:
    stages = [{"epochs": 2, "trains": "head", "augment": []}, {"epochs": 2, "trains": "head"}]
    train = {"batch_size": 4, "optimizer": engine.SGD, "stages": stages}
    crop = {"random_resized_crop": {"size": 32}}

    plan = engine.planned(recipe(photos, weights, augment=[crop], views=2, train=train))

    assert [card.features.views for card in plan.stages if card.features] == [1, 2]


def supplied(run_dir: Path, chosen: Recipe, stack: ExitStack, begin: agenda.Place) -> Supply:
    plan = engine.planned(chosen)
    supply = Supply(
        recipe=chosen, plan=plan, source=sources.load(chosen.data), begin=begin, stack=stack,
        place=Place(root=run_dir, most_bytes=1 << 30), known={}, tell=print,
    )  # fmt: skip
    supply.staging = Staging.begun(chosen, plan, step=begin.batches)
    return supply


@pytest.mark.parametrize("is_alike", [True, False])
def test_amid_an_epoch_chunks_are_cut_where_they_were_unless_features_are_kept(
    photos: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_alike: bool
) -> None:
    monkeypatch.setattr(prefixes, "most_at_once", lambda *_: int(is_alike))
    chosen = recipe(photos, weights, train={"epochs": 2, "trains": "head", "batch_size": 4})
    begin = agenda.Place(epoch=1, batches=2)
    with ExitStack() as stack:
        supply = supplied(tmp_path, chosen, stack, begin)
        lead = supply.lead
        assert lead == (Lead() if is_alike else Lead(batches=2, rows=0, made=8))
        order = agenda.batches(chosen, supply.plan, supply.source.train.labels, 1)
        first = next(supply.batches)
    assert first.indices.tolist() == order[2 - lead.batches].tolist()


@pytest.mark.parametrize("side", [32, 24])
def test_what_is_kept_was_tried_in_each_size(
    photos: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    tried: list[int] = []

    def most_at_once(training: Training, shape: Sequence[int]) -> int:
        tried.append(shape[-1])
        return 1

    monkeypatch.setattr(prefixes, "most_at_once", most_at_once)
    crop = {"random_resized_crop": {"size": side}}
    chosen = recipe(photos, weights, augment=[crop], views=1)
    with ExitStack() as stack:
        next(supplied(tmp_path, chosen, stack, agenda.Place()).batches)
    assert tried == list(dict.fromkeys([32, side]))
