"""Keys with nothing behind them: it is asked what is meant."""

import json

import pytest

from fttrain.spec import faults
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.recipe import Recipe, canonical

RECIPE = {
    "data": {"digits": {}},
    "model": {"cnn": {}},
    "train": {"epochs": 1, "batch_size": 8, "optimizer": {"sgd": {"lr": 0.1}}},
}


def parsed(**train: object) -> Recipe:
    return faults.parse(json.dumps({**RECIPE, "train": {**RECIPE["train"], **train}}))


@pytest.mark.parametrize("word", ["ema", "early_stopping"])
def test_a_part_that_may_be_on_or_off_is_not_left_empty(word: str) -> None:
    with pytest.raises(RecipeFaults) as refused:
        parsed(**{word: None})

    (fault,) = refused.value.faults
    assert fault.field == f"train.{word}"
    assert fault.description == "has no value; write `{}` for its defaults, or leave it out"
    assert getattr(parsed(**{word: {}}).train, word) is not None
    assert getattr(parsed().train, word) is None


def test_what_is_off_is_off_when_it_is_read_again() -> None:
    assert faults.parse(canonical(parsed())) == parsed()
