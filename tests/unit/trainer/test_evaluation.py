"""The net of a run, evaluated again: its own digits, and labelled images of any other place."""

import csv
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fttrain import evaluator
from fttrain.events import EpochEnded, Evaluated
from fttrain.spec import faults, rundir
from fttrain.spec.recipe import Recipe
from tests import engine
from tests.evaluations import evaluated, fault, on, result
from tests.photos import make_photo_folder

pytestmark = pytest.mark.usefixtures("still")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes: 18 to train on, 14 to validate on."""
    return make_photo_folder(tmp_path_factory.mktemp("p"), per_class=9, val_per_class=7)


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run that is over."""
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    recipe = engine.photos(photos, epochs=3, loss={"cross_entropy": {"label_smoothing": 0.1}})
    engine.trained(run_dir, recipe)
    return run_dir


def of(run_dir: Path, kind: type[Any]) -> list[Any]:
    return [record for record in engine.records(run_dir) if isinstance(record, kind)]


# --- the run's own images -------------------------------------------------------------------


@pytest.mark.parametrize("model", [rundir.MODEL, rundir.BEST])
def test_a_run_evaluated_again_gives_exactly_its_own_digits(
    run: Path, tmp_path: Path, model: str
) -> None:
    (told,) = of(run, Evaluated)

    folder = evaluated(run, tmp_path / "again", model=str(run / model))

    again = result(folder)
    assert again["score"] == asdict(told.score)
    assert again["classes"] == [asdict(each) for each in told.classes]
    assert again["epoch"] == told.epoch
    assert again["images"] == "the validation images of tested"
    assert (again["left_out"], again["notices"]) == ({}, [])
    table = (folder / evaluator.VERDICTS).read_bytes()
    assert table == (run / "artifacts/verdicts.csv").read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        {"model": {"cnn": {"channels": [4, 8], "dropout": 0.5}}, "ema": {"decay": 0.5}},
        {"model": {"cnn": {"channels": [4, 8]}}, "precision": "bf16"},
        {"model": {"cnn": {"channels": [4, 8]}}, "bn": "recalibrate", "repeats": 2},
    ],
    ids=["mean-of-weights", "bf16", "statistics-anew-and-repeats"],
)
def test_whatever_a_run_is_judged_by_is_what_is_evaluated_again(
    photos: Path, tmp_path: Path, words: dict[str, Any]
) -> None:
    model, train = words["model"], {k: v for k, v in words.items() if k != "model"}
    engine.trained(tmp_path / "run", engine.photos(photos, model, **train))
    (told,) = of(tmp_path / "run", Evaluated)

    for name in (rundir.MODEL, rundir.BEST):
        model_ = str(tmp_path / "run" / name)
        folder = evaluated(tmp_path / "run", tmp_path / Path(name).parent.name, model=model_)
        assert result(folder)["score"] == asdict(told.score)


def test_a_run_in_stages_is_evaluated_again_exactly(photos: Path, tmp_path: Path) -> None:
    data = {"folder": {"path": str(photos)}, "preprocess": engine.FRAMED, "workers": 0}
    stages = [
        {"epochs": 1, "trains": "head", "optimizer": engine.SGD},
        {"epochs": 2, "trains": "all", "optimizer": engine.SGD},
    ]
    train = {"batch_size": 4, "stages": stages}
    body = {"data": data, "model": {"cnn": {"channels": [4, 8]}}, "train": train}
    recipe = faults.parse(json.dumps(body))
    engine.trained(tmp_path / "run", recipe)
    (told,) = of(tmp_path / "run", Evaluated)

    assert result(evaluated(tmp_path / "run", tmp_path / "x"))["score"] == asdict(told.score)


def test_training_images_are_seen_as_evaluation_sees_them(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    told = result(evaluated(run, tmp_path / "own", images="train"))
    other = result(evaluated(run, tmp_path / "x", images=on(photos / "train")))

    assert told["score"]["count"] == 18
    assert told["score"] == other["score"]
    assert told["images"] == "the training images of tested"


def test_digits_are_evaluated_again_from_memory(tmp_path: Path) -> None:
    engine.trained(tmp_path / "run", engine.digits())
    (told,) = of(tmp_path / "run", Evaluated)

    folder = evaluated(tmp_path / "run", tmp_path / "again")

    assert result(folder)["score"] == asdict(told.score)


def test_a_run_under_way_is_evaluated_by_its_best_checkpoint(photos: Path, tmp_path: Path) -> None:
    engine.trained(tmp_path / "run", engine.photos(photos, epochs=2))
    shutil.rmtree(tmp_path / "run/artifacts")
    best = [each for each in of(tmp_path / "run", EpochEnded) if each.best][-1]

    folder = evaluated(tmp_path / "run", tmp_path / "x", model=str(tmp_path / "run" / rundir.BEST))

    assert result(folder)["score"] == asdict(best.val)
    assert result(folder)["epoch"] == best.epoch


def test_images_that_changed_since_are_not_the_runs_own(photos: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(photos, moved)
    engine.trained(tmp_path / "run", engine.photos(moved, epochs=1))
    next((moved / "val/circles").iterdir()).unlink()

    folder = evaluated(tmp_path / "run", tmp_path / "x")

    assert fault(folder) == (
        "data",
        f"the images of folder {moved} have changed since the plan; name labelled images with "
        "--data",
    )


# --- other images ---------------------------------------------------------------------------


def test_a_folder_of_the_same_images_gives_the_same_digits(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    own = result(evaluated(run, tmp_path / "own"))

    other = result(evaluated(run, tmp_path / "other", images=on(photos / "val")))

    assert (other["score"], other["classes"]) == (own["score"], own["classes"])
    assert other["images"] == "mine"


def test_a_table_gives_the_same_digits_whatever_it_says_of_splits(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    table = photos / "list.csv"
    files = sorted((photos / "val").rglob("*.jpg"))
    with table.open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label"])
        writer.writerows((each.relative_to(photos), each.parent.name) for each in files)

    told = result(evaluated(run, tmp_path / "table", images=on(table)))

    assert told["score"] == result(evaluated(run, tmp_path / "own"))["score"]


def test_classes_are_mapped_by_name(run: Path, photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos / "val/squares", tmp_path / "some/squares")

    told = result(evaluated(run, tmp_path / "x", images=on(tmp_path / "some", allow_missing=True)))

    assert [each["count"] for each in told["classes"]] == [0, 7]
    own = result(evaluated(run, tmp_path / "own"))
    assert told["score"]["correct"] == own["classes"][1]["correct"]
    assert told["score"]["balanced_accuracy"] == told["score"]["accuracy"]
    assert told["notices"] == ["no image of class `circles`"]


def test_a_net_for_grey_sees_photos_in_grey(tmp_path: Path) -> None:
    engine.trained(tmp_path / "run", engine.digits())
    for label in range(10):
        (tmp_path / f"d/{label}").mkdir(parents=True)
        Image.new("RGB", (8, 8), (label * 20, 90, 10)).save(tmp_path / f"d/{label}/0.png")

    told = result(evaluated(tmp_path / "run", tmp_path / "x", images=on(tmp_path / "d")))

    assert told["score"]["count"] == 10


def test_bad_images_are_left_out_by_name_as_many_as_the_recipe_allows(
    photos: Path, tmp_path: Path
) -> None:
    recipe = allowing(engine.photos(photos, epochs=1), 2)
    engine.trained(tmp_path / "run", recipe)
    some = shutil.copytree(photos / "val", tmp_path / "some")
    (some / "circles/000.jpg").write_bytes(b"no image")
    (some / "circles/notes.txt").write_text("two")

    told = result(evaluated(tmp_path / "run", tmp_path / "x", images=on(some)))

    assert told["score"]["count"] == 13
    assert list(told["left_out"]) == ["circles/000.jpg"]
    assert told["left_out"]["circles/000.jpg"].startswith("is no image of a known kind")
    assert told["notices"] == ["1 file is no image and is left out: circles/notes.txt"]
    rows = (tmp_path / "x" / evaluator.VERDICTS).read_text().splitlines()
    assert len(rows) == 14
    assert not any(row.startswith("circles/000.jpg") for row in rows)


def test_more_bad_images_than_allowed_are_refused_with_their_names(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    some = shutil.copytree(photos / "val", tmp_path / "some")
    (some / "circles/000.jpg").write_bytes(b"no image")

    kind, why = fault(evaluated(run, tmp_path / "x", images=on(some)))

    assert kind == "data"
    assert why.startswith(
        "1 of 14 images cannot be read (7.14 %), more than `data.max_bad` of the recipe allows: "
        "circles/000.jpg is no image of a known kind"
    )


def allowing(recipe: Recipe, bad: int) -> Recipe:
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"max_bad": bad})})


@pytest.mark.parametrize(
    ("make", "why"),
    [
        ("", "mine does not exist on the daemon's machine"),
        ("file.txt", "mine is neither a folder nor a table (.csv, .tsv, .jsonl, .ndjson)"),
        ("empty/", "mine has no folders, one is needed per class: CLASS/*.jpg"),
        (
            "circle/ squares/",
            "mine has class `circle`, which the model does not know; it knows classes `circles`, "
            "`squares`. Rename `circle` to `circles`?",
        ),
        ("val/circles/ val/squares/", "mine has its classes one folder further down; say mine/val"),
        (
            "circles/ squares/",
            "mine has no images; read are jpg, jpeg, png, webp, bmp, tif, tiff",
        ),
        (
            "circles/a.png squares/",
            "mine has no image of class `squares`, which the model knows; add some, or allow it "
            "(--allow-missing)",
        ),
        (
            "list.csv",
            "{root}/list.csv has no rows; a CSV begins with a line that names columns",
        ),
    ],
)
def test_what_cannot_be_evaluated_on_is_told(
    run: Path, tmp_path: Path, make: str, why: str
) -> None:
    root = tmp_path / "given"
    root.mkdir()
    given = root if make else root / "nowhere"
    for name in make.split():
        if name == "empty/":
            continue
        if name.endswith("/"):
            (root / name).mkdir(parents=True)
        else:
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).touch()
            given = root / name if "/" not in name else root

    assert fault(evaluated(run, tmp_path / "x", images=on(given))) == (
        "data", why.format(root=root),
    )  # fmt: skip


def test_a_model_that_is_gone_is_told(run: Path, tmp_path: Path) -> None:
    gone = tmp_path / "model.safetensors"

    kind, why = fault(evaluated(run, tmp_path / "x", model=str(gone)))

    assert (kind, str(gone) in why) == ("model", True)


def test_a_run_of_another_version_is_told(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "old")
    (tmp_path / "old/plan.json").write_text('{"format": 0}')

    kind, why = fault(evaluated(tmp_path / "old", tmp_path / "x"))

    assert kind == "model"
    assert why.startswith(f"{tmp_path}/old was written by another version of finetuned: ")


def test_images_that_are_too_small_for_the_net_are_told(tmp_path: Path) -> None:
    engine.trained(
        tmp_path / "run",
        engine.parsed({"digits": {"labels_per_class": 4}}, {"cnn": {"channels": [4, 8]}}, {}),
    )
    for label in range(10):
        (tmp_path / "small" / str(label)).mkdir(parents=True)
        Image.new("L", (2, 2)).save(tmp_path / "small" / str(label) / "1.png")

    told = fault(evaluated(tmp_path / "run", tmp_path / "x", images=on(tmp_path / "small")))

    assert told == (
        "data", "images of 2 x 2 pixels are too small for cnn; it takes 4 x 4 and more"
    )  # fmt: skip


# --- progress and pictures ------------------------------------------------------------------


def test_progress_goes_from_none_to_all(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    plain = evaluator._tell

    def tell(folder: Path, done: int, images: int) -> None:
        told.append((done, images))
        plain(folder, done, images)

    monkeypatch.setattr(evaluator, "_tell", tell)
    evaluated(run, tmp_path / "x")

    assert told[0] == (0, 14)
    assert told[-1] == (14, 14)
    assert told == sorted(told)
    assert json.loads((tmp_path / "x/progress.json").read_text()) == {"done": 14, "images": 14}


def test_the_confusion_is_drawn_where_it_is_asked_for(run: Path, tmp_path: Path) -> None:
    folder = evaluated(run, tmp_path / "x", confusion=True)

    with Image.open(folder / evaluator.CONFUSION) as image:
        assert image.format == "PNG"
    assert not (evaluated(run, tmp_path / "y") / evaluator.CONFUSION).exists()


def test_evaluating_leaves_the_run_as_it_is(run: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}

    evaluated(run, tmp_path / "x")

    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
