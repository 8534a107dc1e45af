"""docs/accuracy.md tells what the shipped jobs have reached, and nothing that was not measured."""

import json
from pathlib import Path

import pytest

from benchmarks import accuracy, reached
from benchmarks.reached import Reached
from ftctl import JobFile


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(reached, "KEPT", tmp_path / "accuracy.json")
    monkeypatch.setattr(reached, "PAGE", tmp_path / "accuracy.md")
    return tmp_path


def row(recipe: str) -> Reached:
    return Reached(
        recipe=recipe, measured="2026-01-02", machine="a machine, 2 cores", train=200, val=100,
        epochs=12, best_epoch=7, correct=90, accuracy=0.9, low=0.826, high=0.945, drop=0.02,
        seconds=61.4, images_per_second=33.3, share=0.5,
    )  # fmt: skip


def test_every_shipped_job_has_a_result_of_the_recipe_as_it_is_now() -> None:
    assert sorted(reached.kept()) == reached.shipped()


def test_the_page_says_what_was_measured() -> None:
    assert reached.PAGE.read_text() == reached.page(reached.kept())


def test_every_result_is_of_ten_epochs_and_five_in_vain_or_of_forty() -> None:
    for name, one in reached.kept().items():
        in_vain = one.epochs - one.best_epoch
        assert one.epochs == 40 or (one.epochs >= 10 and in_vain >= 5), name


def test_each_set_is_trained_pretrained_and_from_scratch() -> None:
    starts = ("pretrained", "scratch")

    assert {f"{name}-{start}" for name in reached.SETS for start in starts} <= set(
        reached.shipped()
    )


def test_every_job_of_the_table_has_the_same_rule_for_its_end() -> None:
    for name in reached.shipped():
        text = JobFile.read(reached.FOLDER / f"{name}.yaml").request.recipe_json
        train = json.loads(text)["train"]
        assert (train["epochs"], train["early_stopping"]) == (
            40, {"patience": 5, "min_epochs": 10},
        )  # fmt: skip


def test_what_was_kept_is_known_again_and_told(elsewhere: Path) -> None:
    rows = {"cars-scratch": row(reached.digest("cars-scratch"))}

    reached.keep(rows)

    assert reached.kept() == rows
    assert (
        "| [cars-scratch](../examples/table/cars-scratch.yaml) | cnn 32-64-128-256 | 200 | 100 "
        "| 12 (7) | **0.900** (90 of 100) | 0.826 to 0.945 | 0.020 | 61 s | 33 | 50% |"
    ) in (elsewhere / "accuracy.md").read_text()


def test_a_result_of_another_recipe_does_not_count(elsewhere: Path) -> None:
    reached.keep({"cars-scratch": row("of-yesterday")})

    assert reached.kept() == {}


def test_a_job_is_run_after_what_it_needs() -> None:
    assert accuracy.with_needed(["digits-pretrained", "cars-scratch"]) == [
        "digits-clean", "digits-pretrained", "cars-scratch",
    ]  # fmt: skip
