"""The test lock: test images are read once, at the very end, by the best checkpoint."""

import csv
import hashlib
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from fttrain import events, predict
from fttrain.data import samples as files
from fttrain.data.decode import Pixels
from fttrain.events import EpochEnded, Evaluated
from fttrain.spec import rundir
from fttrain.spec.recipe import Recipe
from tests import engine
from tests.photos import make_photo_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a folder of two classes, 20 images each."""
    make_photo_folder(tmp_path / "p", per_class=20, val_per_class=1)
    return tmp_path / "p" / "train"


def recipe(root: Path, **train: object) -> Recipe:
    split = {"val": 0.2, "test": 0.3, "seed": 1}
    data = {"folder": {"path": str(root), "split": split}, "preprocess": engine.FRAMED}
    return engine.parsed({**data, "workers": 0}, {"cnn": {"channels": [4, 8]}}, train)


def rows(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "artifacts/split.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def verdicts(run_dir: Path, name: str) -> list[dict[str, str]]:
    with (run_dir / f"artifacts/{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_best_checkpoint_is_tested_once_at_the_end(root: Path, tmp_path: Path) -> None:
    records = engine.trained(tmp_path / "run", recipe(root, epochs=3))

    (tested,) = [r for r in records if isinstance(r, Evaluated) and r.split == "test"]
    last = max(i for i, record in enumerate(records) if isinstance(record, EpochEnded))
    best = [r for r in records if isinstance(r, EpochEnded) and r.best][-1]
    assert records.index(tested) > last
    assert (tested.split, tested.epoch) == ("test", best.epoch)
    paths = [root / row["path"] for row in rows(tmp_path / "run") if row["split"] == "test"]
    said = predict.predict(tmp_path / "run" / rundir.MODEL, paths)
    right = [guess.label == guess.path.parent.name for guess in said]
    assert (
        (tested.score.correct, tested.score.count) == (sum(right), len(right)) == (sum(right), 12)
    )
    assert [(each.label, each.count) for each in tested.classes] == [("circles", 6), ("squares", 6)]
    assert sum(each.correct for each in tested.classes) == tested.score.correct


def test_no_test_image_is_opened_before_training_is_over(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, run_dir = recipe(root), tmp_path / "run"
    made = engine.planned(chosen)
    seen: list[tuple[str, int]] = []
    plain = files.Files.picture

    def picture(self: files.Files, index: int) -> Pixels:
        ended = sum(isinstance(r, EpochEnded) for r in engine.records(run_dir))
        seen.append((self.name(index), ended))
        return plain(self, index)  # type: ignore[return-value]

    monkeypatch.setattr(files.Files, "picture", picture)
    engine.trained(run_dir, chosen, made)

    locked = {row["path"] for row in rows(run_dir) if row["split"] == "test"}
    times = [(name, ended) for name, ended in seen if name in locked]
    assert sorted(times) == [(name, chosen.train.epochs) for name in sorted(locked)]


def test_verdicts_of_test_images_have_a_table_of_their_own(root: Path, tmp_path: Path) -> None:
    records = engine.trained(tmp_path / "run", recipe(root))

    made = {r.what: r.path for r in records if isinstance(r, events.ArtifactMade)}
    assert made["table/verdicts-test"] == "artifacts/verdicts-test.csv"
    told = verdicts(tmp_path / "run", "verdicts-test")
    locked = [row["path"] for row in rows(tmp_path / "run") if row["split"] == "test"]
    assert [row["image"] for row in told] == locked
    (tested,) = [r for r in records if isinstance(r, Evaluated) and r.split == "test"]
    assert sum(row["label"] == row["predicted"] for row in told) == tested.score.correct
    asked = predict.predict(tmp_path / "run", [root / row["image"] for row in told])
    for row, guess in zip(told, asked, strict=True):
        assert row["predicted"] == guess.label
        assert float(row["confidence"]) == pytest.approx(guess.probability, abs=1e-6)


def test_without_test_images_nothing_is_tested(tmp_path: Path) -> None:
    records = engine.trained(tmp_path / "run", engine.photos(make_photo_folder(tmp_path / "p")))

    assert not [r for r in records if isinstance(r, Evaluated) and r.split == "test"]
    assert not (tmp_path / "run/artifacts/split.csv").exists()


def test_the_split_is_written_as_the_plan_tells_it(root: Path, tmp_path: Path) -> None:
    chosen, run_dir = recipe(root), tmp_path / "run"
    made = engine.planned(chosen)
    records = engine.trained(run_dir, chosen, made)

    assert events.ArtifactMade(what="table/split", path="artifacts/split.csv") in records
    found = rows(run_dir)
    assert Counter((row["split"], row["class"]) for row in found) == {
        ("train", "circles"): 10, ("train", "squares"): 10,
        ("val", "circles"): 4, ("val", "squares"): 4,
        ("test", "circles"): 6, ("test", "squares"): 6,
    }  # fmt: skip
    assert made.data.test is not None
    assert made.data.test.per_class == [6, 6]
    lines = sorted(f"{r['path']}\0{r['class']}\0{r['split']}".encode() for r in found)
    assert made.data.split_digest == hashlib.sha256(b"\n".join(lines)).hexdigest()


def test_transparent_pixels_are_laid_over_the_ground_that_was_trained_on(tmp_path: Path) -> None:
    recipe = engine.photos(make_photo_folder(tmp_path / "q"), epochs=1)
    dark = recipe.model_copy(
        update={"data": recipe.data.model_copy(update={"background": [0, 0, 0]})}
    )
    engine.trained(tmp_path / "run", dark)
    clear, black = tmp_path / "clear.png", tmp_path / "black.png"
    Image.new("RGBA", (40, 40), (200, 10, 10, 0)).save(clear)
    Image.new("RGB", (40, 40)).save(black)

    first, second = predict.predict(tmp_path / "run", [clear, black])

    assert first.scores == second.scores
