"""`--set` reaches into a job file."""

import pytest

import ftctl
from ftctl.jobfile import parse_override
from tests.jobfiles import faults, recipe


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "job.yaml"
        path.write_text(text)
        return path

    return write


def test_set_replaces_creates_and_reaches_into_lists():
    file = ftctl.JobFile.parse(
        "train: {groups: [{lr: 1}, {lr: 2}]}\nmodel: {cnn: }\n",
        overrides={
            "name": "x",
            "train.groups[1].lr": 3,
            "train.warmup.epochs": 2,
            "model.cnn.channels": [8],
        },
    )

    assert file.request.name == "x"
    assert recipe(file) == {
        "train": {"groups": [{"lr": 1}, {"lr": 3}], "warmup": {"epochs": 2}},
        "model": {"cnn": {"channels": [8]}},
    }


def test_a_fault_of_what_was_set_has_set_as_its_place():
    text = "name: x\ntrain: {epochs: 3}\n"
    file = ftctl.JobFile.parse(text, overrides={"train.epochs": 0, "train.warmup.steps": 1})

    located = file.located([
        ftctl.Fault(field="train.warmup", description="c"),
        ftctl.Fault(field="train.epochs", description="b"),
        ftctl.Fault(field="name", description="a"),
        ftctl.Fault(field="", description="and 7 more faults"),
        ftctl.Fault(field="train", description="d"),
    ])  # fmt: skip

    assert [str(fault) for fault in located] == [
        "job:1:1: name: a",
        "--set train.warmup.steps: train.warmup: c",
        "job:2:1: train: d",
        "--set train.epochs: b",
        "job: and 7 more faults",
    ]


def test_a_key_that_set_put_too_high_is_named_where_the_file_has_it():
    text = "train: {epochs: 3}\nmodel: {weights: none}\n"

    assert faults(text, epochs=1, weights="none") == [
        "--set epochs: unknown key `epochs`; did you mean `train.epochs`?",
        "--set weights: unknown key `weights`; did you mean `model.weights`?",
    ]


def test_a_section_that_set_invents_is_an_unknown_key():
    assert faults("name: x", **{"trian.epochs": 3}) == [
        "--set trian.epochs: trian: unknown key `trian`; did you mean `train`?"
    ]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "train.optimizer.sgd.lr",
            '`train.optimizer` is "sgd" and has no fields; set it as a whole',
        ),
        ("train.groups[2].lr", "`train.groups` has 2 entries, counted from 0"),
        ("train.groups.lr", "`train.groups` is a list; name an entry, such as train.groups[0]"),
        ("train[0]", "`train` is not a list"),
        ("train..lr", "`train..lr` is not a field path such as train.groups[1].lr"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path, message):
    text = "train: {optimizer: sgd, groups: [{}, {}]}"

    with pytest.raises(ftctl.BadInput) as caught:
        ftctl.JobFile.parse(text, overrides={path: 1})

    assert str(caught.value) == f"--set {path}: {message}"


def test_the_value_of_set_is_yaml():
    assert parse_override("train.optimizer={sgd: {lr: 1e-3}}") == (
        "train.optimizer",
        {"sgd": {"lr": 0.001}},
    )
    assert parse_override("name=a=b") == ("name", "a=b")
    assert parse_override("model.weights=none") == ("model.weights", "none")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train.epochs", "--set train.epochs: write PATH=VALUE, such as train.epochs=3"),
        (
            "train.trains=[head",
            "--set train.trains: the value is not YAML: "
            "the `[` opened in line 1, column 1 is not closed properly",
        ),
    ],
)
def test_set_of_another_form_is_refused(text, message):
    with pytest.raises(ftctl.BadInput) as caught:
        parse_override(text)

    assert str(caught.value) == message


def test_set_reaches_into_lists_that_only_the_recipe_has_which_a_job_is_based_on():
    file = ftctl.JobFile.parse(
        "recipe: lp-ft\ntrain: {batch_size: 8}\n",
        overrides={
            "train.stages[0].epochs": 3,
            "train.stages[1].trains": "last:2",
            "train.stages[0].optimizer.sgd.lr": 0.1,
            "data.augment[1]": "vertical_flip",
        },
    )

    assert recipe(file) == {
        "recipe": "lp-ft",
        "train": {
            "batch_size": 8,
            "stages": {
                "[0]": {"epochs": 3, "optimizer": {"sgd": {"lr": 0.1}}},
                "[1]": {"trains": "last:2"},
            },
        },
        "data": {"augment": {"[1]": "vertical_flip"}},
    }
    (told,) = file.located([ftctl.Fault(field="train.stages[0].epochs", description="bad")])
    assert str(told) == "--set train.stages[0].epochs: bad"


def test_set_reaches_into_the_files_own_lists_where_it_is_based_on_a_recipe():
    text = "recipe: lp-ft\ntrain: {stages: [{epochs: 1}]}\n"

    file = ftctl.JobFile.parse(text, overrides={"train.stages[0].epochs": 3})

    assert recipe(file)["train"] == {"stages": [{"epochs": 3}]}
    with pytest.raises(ftctl.BadInput, match="has 1 entries, counted from 0"):
        ftctl.JobFile.parse(text, overrides={"train.stages[1].epochs": 3})


def test_set_makes_no_list_where_a_job_is_based_on_nothing():
    with pytest.raises(ftctl.BadInput) as bad:
        ftctl.JobFile.parse("train: {}\n", overrides={"train.stages[0].epochs": 3})

    assert str(bad.value) == "--set train.stages[0].epochs: `train.stages` is not a list"
