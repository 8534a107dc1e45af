"""The schema of what job files say, as editors read it, beside what the reader accepts."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fttrain.spec import based, named
from fttrain.spec.recipe import schema

WHOLE = {
    "data": {"digits": {}},
    "model": {"cnn": {}},
    "train": {"epochs": 1, "batch_size": 4, "optimizer": {"sgd": {"lr": 0.1}}},
}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    told = based.schema()
    Draft202012Validator.check_schema(told)
    return Draft202012Validator(told)


def faults(validator: Draft202012Validator, body: dict[str, Any]) -> list[str]:
    return sorted(error.message for error in validator.iter_errors(body))


def test_a_whole_recipe_needs_all_its_parts(validator: Draft202012Validator) -> None:
    assert faults(validator, WHOLE) == []
    assert faults(validator, {**WHOLE, "train": {"epochs": 1}}) == [
        "'batch_size' is a required property",
        "'optimizer' is a required property",
    ]
    assert faults(validator, {"data": {"digits": {}}}) == [
        "'model' is a required property",
        "'train' is a required property",
    ]


def test_a_based_recipe_needs_nothing(validator: Draft202012Validator) -> None:
    train = {"schedule": None, "optimizer": {"sgd": {"momentum": 0.5}}, "trains": "head"}

    assert faults(validator, {"recipe": "tutorial"}) == []
    assert faults(validator, {"recipe": "tutorial", "train": train, "model": {"head": None}}) == []


def test_a_based_recipe_is_held_to_the_words_all_the_same(validator: Draft202012Validator) -> None:
    (unknown,) = faults(validator, {"recipe": "tutorial", "train": {"epoch": 3}})
    (number,) = faults(validator, {"recipe": "tutorial", "train": {"batch_size": 0}})

    assert unknown == "Additional properties are not allowed ('epoch' was unexpected)"
    assert "0" in number
    # A list replaces: its entries are whole.
    groups = [{"lr": 0.1}]
    assert faults(validator, {"recipe": "tutorial", "train": {"groups": groups}}) != []
    assert faults(validator, {"recipe": "nobody"}) == [
        f"'nobody' is not one of {list(named.NAMES)}"
    ]


@pytest.mark.parametrize("name", named.NAMES)
def test_every_named_recipe_may_be_written_out(validator: Draft202012Validator, name: str) -> None:
    assert faults(validator, {"recipe": name, **named.get(name).recipe}) == []


def test_what_needs_no_base_is_as_the_recipe_itself_has_it() -> None:
    told, own = based.schema(), schema()

    assert told["else"] == {
        "type": "object", "properties": own["properties"], "required": own["required"],
    }  # fmt: skip
    assert {name: told["$defs"][name] for name in own["$defs"]} == own["$defs"]
