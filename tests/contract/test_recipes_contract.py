"""Named recipes, from the real daemon and from the fake one alike."""

import itertools

import pytest

import ftctl

BASED = {"recipe": "tutorial", "data": {"digits": {}}, "model": {"cnn": {}, "weights": None}}
NUMBERS = itertools.count(1)


def named(**more):
    return {**BASED, "name": f"based-{next(NUMBERS)}", **more}


def test_recipes_are_listed_with_what_they_say(client):
    known = {recipe.name: recipe for recipe in client.recipes()}

    assert {"tutorial", "feature-extractor"} <= set(known)
    tutorial = known["tutorial"]
    assert all((tutorial.title, tutorial.purpose, tutorial.source))
    assert tutorial.yaml.startswith("# tutorial: ")
    assert tutorial.recipe["train"]["optimizer"] == {"sgd": {"lr": 1e-3, "momentum": 0.9}}
    assert known["feature-extractor"].recipe["train"]["trains"] == "head"


def test_a_job_has_the_recipe_that_it_is_based_on_merged_in(client):
    job = named(train={"epochs": 2, "optimizer": {"sgd": {"lr": 0.1}}, "schedule": None})
    job["data"] = {**job["data"], "augment": [], "preprocess": {"resize": 8}}

    told = client.submit(job).submitted

    assert told.base == "tutorial"
    assert "recipe" not in told.recipe
    train = told.recipe["train"]
    assert (train["epochs"], train["batch_size"]) == (2, 4)
    assert (train["optimizer"]["sgd"]["lr"], train["optimizer"]["sgd"]["momentum"]) == (0.1, 0.9)
    assert train.get("schedule") in (None, {"constant": {}})
    assert told.recipe["data"]["augment"] == []
    assert client.get(told.id).base == "tutorial"


def test_another_kind_of_a_choice_replaces_the_one_of_the_recipe(client):
    job = named(train={"optimizer": {"adam": {"lr": 0.01}}})

    told = client.submit(job).submitted

    assert list(told.recipe["train"]["optimizer"]) == ["adam"]
    assert told.recipe["train"]["optimizer"]["adam"]["lr"] == 0.01


def test_an_override_reaches_what_only_the_recipe_says(client):
    told = client.submit(named(), overrides={"train.epochs": 3}).submitted

    assert told.recipe["train"]["epochs"] == 3


def test_an_unknown_recipe_is_answered_with_the_nearest(client):
    with pytest.raises(ftctl.InvalidJob) as caught:
        client.submit(named(recipe="tutorail"))

    (fault,) = caught.value.faults
    assert fault.field == "recipe"
    assert fault.description == "no recipe is named `tutorail`; did you mean `tutorial`?"


def test_a_job_that_is_based_on_none_says_so(client):
    job = {
        "data": {"digits": {}},
        "model": {"cnn": {}},
        "train": {"epochs": 1, "batch_size": 64, "optimizer": {"sgd": {"lr": 0.1}}},
    }

    assert client.submit(job).submitted.base == ""
