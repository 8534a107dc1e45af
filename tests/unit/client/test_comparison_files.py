"""Exported files: what was compared comes back whole; what is no such file is told."""

import json

import pytest

from ftctl.comparison import files
from ftctl.comparison.comparison import compare
from ftctl.errors import BadInput
from tests.fakes.compared import epoch, made, told


def three():
    spread = {"accuracies": [0.9, 0.92], "mean": 0.91, "deviation": 0.014, "low": None,
              "high": None}  # fmt: skip
    return compare([
        made("a", right="1101", outcome={"spread": spread}),
        made("b", right="1111", recipe={"train.epochs": 9, "train.batch_size": 8}),
        made("c", silence="left no table of verdicts (table/verdicts)"),
    ])  # fmt: skip


def test_a_comparison_that_was_exported_is_the_same_again(tmp_path):
    compared = three()
    path = tmp_path / "theirs.json"
    path.write_text(files.text(compared))

    again = compare(files.read(path))

    assert files.text(again) == files.text(compared)
    assert again.pairs == compared.pairs
    assert again.settings == compared.settings
    assert again.runs[0].verdicts == compared.runs[0].verdicts
    assert all(run.origin == str(path) for run in again.runs)


def test_the_file_tells_what_was_found_in_plain_words_and_numbers():
    told_ = json.loads(files.text(three()))

    assert told_["format"] == "finetuned-comparison/1"
    assert [run["label"] for run in told_["runs"]] == ["a", "b", "c"]
    (first, second) = told_["pairs"]
    assert (first["is_confounded"], first["settings"]) == (
        True, ["train.epochs", "train.batch_size"]
    )  # fmt: skip
    assert first["mcnemar"]["only_run"] == 1
    assert second["mcnemar"] is None
    assert {each["name"] for each in told_["results"]} >= {
        "best_accuracy", "best_accuracy_low", "best_accuracy_high", "val_images"
    }  # fmt: skip


def test_one_run_alone_is_kept_for_a_comparison_elsewhere(tmp_path):
    path = tmp_path / "theirs.json"
    path.write_text(files.export([made("b", right="0111")]))

    (pair,) = compare([made("a", right="1101"), *files.read(path)]).pairs

    assert (pair.run, pair.mcnemar.only_baseline, pair.mcnemar.only_run) == ("b", 1, 1)


def test_a_job_as_get_prints_it_has_all_but_verdicts(tmp_path):
    path = tmp_path / "job.json"
    path.write_text(json.dumps(told("bees", recipe={"train.epochs": 9})))

    compared = compare([made("ants", right="1"), *files.read(path)])

    assert [each.path for each in compared.settings] == ["train.epochs"]
    assert compared.notes()[-1] == (
        "bees: no McNemar test, for bees has no verdicts in its file; "
        "`ftctl compare bees -o json` exports them"
    )


def test_epochs_as_metrics_prints_them_are_named_like_their_file(tmp_path):
    path = tmp_path / "elsewhere.json"
    path.write_text(json.dumps([epoch(1, 140), epoch(2, 150)]))

    compared = compare([made("ants"), *files.read(path)])

    assert compared.labels == ("ants", "elsewhere")
    assert compared.result("best_correct").shown == ("144/153", "150/153")
    assert "elsewhere: the settings are not known, so what differs cannot be told" in (
        compared.notes()
    )


@pytest.mark.parametrize(
    ("given", "is_file"),
    [("ants", False), ("3f2a9c1b", False), ("ants.json", True), ("./ants", True), ("a/b", True)],
)
def test_what_has_a_dot_or_a_slash_is_a_file(given, is_file):
    assert files.is_file(given) is is_file


NO_RUN = (
    "is no exported run; those are of `ftctl compare JOB -o json`, `ftctl get JOB -o json` or "
    "`ftctl metrics JOB -o json`"
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("epoch,step\n1,2", "is not JSON; what is compared is of `ftctl compare JOB -o json`, "
                            "`ftctl get JOB -o json` or `ftctl metrics JOB -o json`"),
        ("[" * 100_000, "is not JSON; what is compared is of `ftctl compare JOB -o json`, "
                        "`ftctl get JOB -o json` or `ftctl metrics JOB -o json`"),
        ("3", NO_RUN),
        ('{"cells": []}', NO_RUN),
        ("[]", "has no epochs"),
        ("[1, 2]", "the epochs of x are not as `ftctl get -o json` has them"),
        ('{"name": "a", "epochs": {}}', "has no job in it: `name` or `epochs` is missing"),
        ('{"name": "a", "epochs": [{"epoch": 1}]}',
         "the epochs of a are not as `ftctl get -o json` has them"),
        (json.dumps([{**epoch(1, 140), "seconds": "long"}]),
         "the epochs of x are not as `ftctl get -o json` has them"),
        (json.dumps([{**epoch(1, 140), "val": {**epoch(1, 140)["val"], "correct": 154}}]),
         "the epochs of x are not as `ftctl get -o json` has them"),
        ('{"format": "finetuned-comparison/2"}',
         "is of format finetuned-comparison/2, and this ftctl reads finetuned-comparison/1"),
        ('{"format": "finetuned-comparison/1", "runs": []}', "has no runs in it"),
        ('{"format": "finetuned-comparison/1", "runs": [{}]}', "has a run without a job"),
        (json.dumps({"format": "finetuned-comparison/1",
                     "runs": [{"job": told(), "verdicts": [["x.jpg", "ant"]]}]}),
         "a row of the verdicts is not image,label,predicted,confidence"),
    ],
)  # fmt: skip
def test_another_file_is_told_with_its_name(tmp_path, text, why):
    path = tmp_path / "x.json"
    path.write_text(text)

    with pytest.raises(BadInput) as error:
        files.read(path)

    assert str(error.value) == f"{path} {why}"


def test_a_file_that_is_not_there_a_folder_and_a_table_are_told(tmp_path):
    missing, table = tmp_path / "none.json", tmp_path / "ants.csv"

    with pytest.raises(BadInput, match=r"none.json cannot be read: No such file or directory$"):
        files.read(missing)
    with pytest.raises(BadInput, match=r"cannot be read: Is a directory$"):
        files.read(tmp_path)
    with pytest.raises(BadInput, match=r"ants.csv is a table; what is compared is JSON: `ftctl"):
        files.read(table)


def test_a_file_of_a_newer_daemon_may_say_more(tmp_path):
    path = tmp_path / "newer.json"
    newer = {**epoch(1, 140), "surprise": 1, "val": {**epoch(1, 140)["val"], "also": 2}}
    path.write_text(json.dumps(told("a", epochs=[newer], wonder=3)))

    (run,) = files.read(path)

    assert run.epochs[0].val.correct == 140
