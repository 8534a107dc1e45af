"""What a run leaves beside its model: tables, pictures with their numbers, TensorBoard's file."""

import base64
import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]  # it has no types
    EventAccumulator,
)

from fttrain import events
from fttrain.data import order, sources
from fttrain.data.view import EvalView, TrainView
from fttrain.events import EpochEnded, Evaluated, Steps
from fttrain.results import tables
from fttrain.results.verdicts import Verdicts
from fttrain.spec.recipe import Recipe
from tests import engine

ALL = ["curves", "confusion", "predictions", "augmentations", "tensorboard"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recipe]:
    """Return the run directory of a run that leaves everything, and its recipe."""
    data = {"digits": {"labels_per_class": 4}, "augment": ["horizontal_flip"]}
    recipe = engine.parsed(data, {"cnn": {"channels": [4, 8]}}, {"epochs": 3}, outputs=ALL)
    folder = tmp_path_factory.mktemp("runs") / "run"
    engine.trained(folder, recipe)
    return folder, recipe


def body(run_dir: Path, name: str) -> Any:
    return json.loads((run_dir / "artifacts" / f"{name}.json").read_text())


def of(run_dir: Path, kind: type[Any]) -> list[Any]:
    return [record for record in engine.records(run_dir) if isinstance(record, kind)]


@pytest.mark.word("outputs")
def test_each_output_leaves_its_files(run: tuple[Path, Recipe]) -> None:
    made = {record.what: record.path for record in of(run[0], events.ArtifactMade)}

    pictures = ("curves", "curves-loglog", "confusion", "predictions", "augmentations")
    assert {f"picture/{name}": f"artifacts/{name}.png" for name in pictures}.items() <= made.items()
    tables = ("curves", "scores", "confusion", "predictions", "augmentations")
    assert {f"data/{name}": f"artifacts/{name}.json" for name in tables}.items() <= made.items()
    assert made["tensorboard"] == "artifacts/events.out.tfevents.finetuned"
    for name in pictures:
        with Image.open(run[0] / "artifacts" / f"{name}.png") as image:
            assert image.format == "PNG"


def test_the_best_checkpoint_scores_what_its_epoch_did(run: tuple[Path, Recipe]) -> None:
    best = [epoch for epoch in of(run[0], EpochEnded) if epoch.best][-1]

    (told,) = of(run[0], Evaluated)

    assert (told.split, told.epoch, told.score) == ("val", best.epoch, best.val)


def test_tables_hold_every_class_and_the_matrix_they_come_from(run: tuple[Path, Recipe]) -> None:
    scores, matrix = body(run[0], "scores"), body(run[0], "confusion")
    counts = np.array(matrix["counts"])

    assert matrix["classes"] == [str(digit) for digit in range(10)]
    assert [each["label"] for each in scores["classes"]] == matrix["classes"]
    assert [each["count"] for each in scores["classes"]] == counts.sum(1).tolist()
    assert [each["predicted"] for each in scores["classes"]] == counts.sum(0).tolist()
    assert [each["correct"] for each in scores["classes"]] == counts.diagonal().tolist()
    assert counts.trace() == scores["score"]["correct"]
    recalls = [each["recall"] for each in scores["classes"]]
    assert scores["score"]["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert sum(each["count"] for each in scores["calibration"]) == scores["score"]["count"]


def test_a_verdict_for_each_validation_image_adds_up_to_the_scores(
    run: tuple[Path, Recipe],
) -> None:
    source, text = sources.load(run[1].data), (run[0] / "artifacts/verdicts.csv").read_text()

    rows = list(csv.DictReader(io.StringIO(text)))

    assert text.splitlines()[0] == "image,label,predicted,confidence"
    assert [row["image"] for row in rows] == [source.val.name(i) for i in range(len(source.val))]
    assert [row["label"] for row in rows] == [source.classes[k] for k in source.val.labels]
    matrix = body(run[0], "confusion")
    counts = np.zeros((10, 10), int)
    for row in rows:
        counts[tuple(matrix["classes"].index(row[name]) for name in ("label", "predicted"))] += 1
    assert counts.tolist() == matrix["counts"]
    confidence = [float(row["confidence"]) for row in rows]
    assert [repr(each) for each in confidence] == [row["confidence"] for row in rows]
    bins = body(run[0], "scores")["calibration"]
    said = sum(each["confidence"] * each["count"] for each in bins)
    assert sum(confidence) == pytest.approx(said)


def test_a_verdict_names_images_and_classes_with_commas_and_quotes() -> None:
    found = Verdicts(
        indices=np.arange(2), labels=np.array([0, 1]), predicted=np.array([1, 1]),
        confidence=np.array([0.1 + 0.2, 1.0]), rank=np.array([1, 0]),
        surprise=np.array([1.0, 0.0]), loss_sum=1.0, classes=2,
    )  # fmt: skip

    table = tables.verdicts(found, ['a,"b', "ü"], ["x,1.jpg", "y\n2.jpg"]).decode()

    assert list(csv.reader(io.StringIO(table, newline=""))) == [
        ["image", "label", "predicted", "confidence"],
        ["x,1.jpg", 'a,"b', "ü", "0.30000000000000004"],
        ["y\n2.jpg", "ü", "ü", "1.0"],
    ]


def test_of_thousands_of_classes_scores_are_kept_and_no_matrix(tmp_path: Path) -> None:
    data = {"fake": {"classes": 2001, "train": 16, "val": 8, "side": 8}}
    recipe = engine.parsed(data, {"cnn": {"channels": [4]}}, {"epochs": 1}, outputs=["confusion"])

    engine.trained(tmp_path / "run", recipe)

    assert len(body(tmp_path / "run", "scores")["classes"]) == 2001
    made = [record.what for record in of(tmp_path / "run", events.ArtifactMade)]
    assert made == ["model", "data/scores", "table/verdicts"]
    assert engine.notices(recipe) == [
        "over 2,000 classes: no confusion matrix is kept, scores of each class are"
    ]


def test_the_preview_shows_exactly_what_training_sees(run: tuple[Path, Recipe]) -> None:
    recipe = run[1]
    source, seed = sources.load(recipe.data), recipe.train.seed
    assert source.preprocess is not None
    view = TrainView(source.preprocess, recipe.data.augment, seed)
    rows = body(run[0], "augmentations")["rows"]

    first = order.epoch_order(len(source.train), seed, 1)[:6].tolist()
    assert [row["name"] for row in rows] == [source.train.name(index) for index in first]
    for index, row in zip(first, rows, strict=True):
        picture = source.train.picture(index)
        for epoch, seen in enumerate(row["trained"], start=1):
            expected = view.pixels(picture, epoch=epoch, index=index)
            assert unpacked(seen).tolist() == expected[..., 0].tolist()
        plain = EvalView(source.preprocess).pixels(picture)
        assert unpacked(row["evaluated"]).tolist() == plain[..., 0].tolist()


def unpacked(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def test_predictions_are_the_images_that_they_name(run: tuple[Path, Recipe]) -> None:
    source = sources.load(run[1].data)
    told = body(run[0], "predictions")
    numbers = {source.val.name(index): index for index in range(len(source.val))}

    wrong = [tile for tile in told["tiles"] if tile["label"] != tile["predicted"]]
    assert len(wrong) == min(tables.SHOWN, told["wrong"])
    certainty = [tile["probability"] for tile in wrong]
    assert certainty == sorted(certainty, reverse=True)
    for tile in told["tiles"]:
        index = numbers[tile["name"]]
        assert tile["label"] == source.classes[source.val.labels[index]]
        assert unpacked(tile["png"]).tolist() == source.val.image(index)[..., 0].tolist()


def test_examples_are_the_most_certain_wrong_ones_and_right_ones_from_everywhere() -> None:
    predicted = np.array([0] * 40 + [1] * 60)
    found = Verdicts(
        indices=np.arange(100), labels=np.zeros(100, np.int64), predicted=predicted,
        confidence=np.linspace(0.5, 0.9, 100), rank=predicted,
        surprise=np.zeros(100), loss_sum=1.0, classes=2,
    )  # fmt: skip

    shown = tables.examples(found).tolist()

    assert shown[: tables.SHOWN] == list(range(99, 99 - tables.SHOWN, -1))
    assert shown[tables.SHOWN :] == [place * 40 // tables.SHOWN for place in range(tables.SHOWN)]


@pytest.mark.word("outputs")
def test_tensorboard_reads_what_the_journal_has(run: tuple[Path, Recipe]) -> None:
    reader = EventAccumulator(str(run[0] / "artifacts"))
    reader.Reload()

    def read(name: str) -> list[tuple[int, float]]:
        return [(point.step, point.value) for point in reader.Scalars(name)]

    told = of(run[0], Steps)
    losses = [loss for steps in told for loss in steps.losses]
    rates = [lrs[0] for steps in told for lrs in steps.lrs]
    assert read("train/step_loss") == numbered(range(1, len(losses) + 1), losses)
    assert read("lr/group_1") == numbered(range(1, len(rates) + 1), rates)
    epochs = of(run[0], EpochEnded)
    places = [epoch.step for epoch in epochs]
    assert read("val/accuracy") == numbered(places, [epoch.val.accuracy for epoch in epochs])
    assert read("train/loss") == numbered(places, [epoch.train.loss for epoch in epochs])
    (found,) = of(run[0], Evaluated)
    assert read("best_val/balanced_accuracy")[0][1] == np.float32(found.score.balanced_accuracy)
    entries, _ = events.read(run[0] / "journal.jsonl")
    started = next(entry.time for entry in entries if isinstance(entry.record, Steps))
    assert reader.Scalars("train/step_loss")[0].wall_time == started


def numbered(steps: Any, values: list[float]) -> list[tuple[int, float]]:
    return [(step, float(np.float32(value))) for step, value in zip(steps, values, strict=True)]


def test_tensorboard_where_it_is_not_installed_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    recipe = engine.parsed({"digits": {}}, {"cnn": {}}, {}, outputs=["curves", "tensorboard"])

    assert engine.refused(recipe) == {
        "outputs[1]": "needs the package `tensorboard`, which is missing where ftd runs; "
        "`pip install 'finetuned[tensorboard]'` there, or leave this output out"
    }
