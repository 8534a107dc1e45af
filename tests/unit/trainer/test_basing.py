"""A recipe that is based on a named one: what comes out, and what is said of its faults."""

import json
from pathlib import Path
from typing import Any

import pytest

from fttrain import recipefile
from fttrain.spec import basing, named
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.recipe import Recipe, digest

DATA: dict[str, Any] = {"digits": {}}


def resolved(**said: Any) -> Recipe:
    return basing.resolve(json.dumps({"data": DATA, **said})).recipe


def faults(**said: Any) -> dict[str, str]:
    with pytest.raises(RecipeFaults) as found:
        basing.resolve(json.dumps(said))
    return {fault.field: fault.description for fault in found.value.faults}


def test_what_a_file_leaves_out_is_as_its_recipe_says() -> None:
    recipe = resolved(recipe="tutorial", train={"epochs": 3})

    assert (recipe.train.epochs, recipe.train.batch_size) == (3, 4)
    assert recipe.model.name == "resnet18"
    assert recipe.train.optimizer.value.momentum == 0.9


def test_the_base_is_told_and_is_no_part_of_what_comes_out() -> None:
    based = basing.resolve(json.dumps({"recipe": "tutorial", "data": DATA}))
    written = basing.resolve(json.dumps({**named.get("tutorial").recipe, "data": {
        **named.get("tutorial").recipe["data"], **DATA,
    }}))  # fmt: skip

    assert (based.base, written.base) == ("tutorial", "")
    assert digest(based.recipe) == digest(written.recipe)


def test_an_unknown_recipe_is_answered_with_the_nearest() -> None:
    assert faults(recipe="torchvision-v3", data=DATA) == {
        "recipe": "no recipe is named `torchvision-v3`; did you mean `torchvision-v2`?"
    }
    known = ", ".join(named.NAMES)
    assert faults(recipe="zzz") == {"recipe": f"no recipe is named `zzz`; there are {known}"}
    assert faults(recipe=3) == {"recipe": f"no recipe is named `3`; there are {known}"}
    assert faults(recipe="a" * 200)["recipe"].startswith(f"no recipe is named `{'a' * 57}...`; ")


def test_what_the_recipe_leaves_to_the_file_is_asked_for() -> None:
    sources = "folder, dataset, manifest, torchvision, cub200, fake, digits"
    assert faults(recipe="torchvision-v1") == {
        "data": f"say where the images come from, exactly one of: {sources}; recipe torchvision-v1 "
        "leaves that to the job file",
        "model": "is missing; recipe torchvision-v1 leaves that to the job file",
    }
    # What the file begins to say is its own.
    assert faults(recipe="tutorial", data={"limit": 3}) == {
        "data": f"say where the images come from, exactly one of: {sources}"
    }


def test_all_faults_of_the_file_are_told_at_once() -> None:
    train = {"optimizer": {"sgd": {"lr": -1}}, "schedul": "cosine"}
    assert faults(recipe="tutorial", data=DATA, train=train) == {
        "train.optimizer.sgd.lr": "should be greater than 0, not -1",
        "train.schedul": "unknown key `schedul`; did you mean `schedule`?",
    }


def test_a_place_beyond_a_list_is_told_with_those_there_are() -> None:
    assert faults(recipe="tutorial", data={**DATA, "augment": {"[2]": "grayscale"}}) == {
        "data.augment": "recipe tutorial has [0] to [1] here; name one of them, or write a list to "
        "replace them all"
    }


def test_what_is_no_json_or_no_map_is_a_fault() -> None:
    deep = '{"recipe": "tutorial", "data": ' + '{"a":' * 900 + "1" + "}" * 901
    for text in ("{", "[]", "3", "[" * 100_000, deep, deep.replace("a", "augment")):
        with pytest.raises(RecipeFaults):
            basing.resolve(text)


def test_faults_of_the_plan_say_where_the_base_has_what_they_are_about() -> None:
    recipe = resolved(recipe="tutorial", train={"trains": ["head"], "epochs": 3})
    fields = (
        "model.weights", "train.optimizer.sgd.lr", "train.trains[0]", "train.epochs",
        "train.seed", "data.augment[1].horizontal_flip", "",
    )  # fmt: skip

    told = basing.attributed(
        [Fault(field=f, description="bad") for f in fields], "tutorial", recipe
    )

    marked = [fault.field for fault in told if fault.description == "bad (from recipe tutorial)"]
    assert marked == ["model.weights", "train.optimizer.sgd.lr", "data.augment[1].horizontal_flip"]
    assert [fault.field for fault in told] == list(fields)
    assert {fault.description for fault in told} == {"bad", "bad (from recipe tutorial)"}


def test_of_a_base_that_is_gone_nothing_is_said() -> None:
    fault = Fault(field="model.weights", description="bad")
    recipe = resolved(recipe="tutorial")

    assert basing.attributed([fault], "", recipe) == [fault]
    assert basing.attributed([fault], "of-an-older-version", recipe) == [fault]


def test_the_engine_alone_reads_based_files_and_places_their_faults(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("name: a\nrecipe: tutorial\ndata: {digits: {}}\ntrain: {epoch: 3}\n")
    with pytest.raises(recipefile.BadRecipeFile) as bad:
        recipefile.read(file)
    assert bad.value.lines == (
        f"{file}:4:9: train.epoch: unknown key `epoch`; did you mean `epochs`?",
    )

    file.write_text("name: a\nrecipe: tutorial\ndata: {digits: {}}\n")
    read = recipefile.read(file)

    assert (read.base, read.ignored) == ("tutorial", ("name",))
    found = RecipeFaults([Fault(field="model.weights", description="bad")])
    # At the line that brings it.
    assert read.located(found).lines == (f"{file}:2:1: model.weights: bad (from recipe tutorial)",)
