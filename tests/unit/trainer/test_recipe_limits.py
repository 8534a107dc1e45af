"""Numbers that are right by their kind, and too large for what a machine computes with."""

import json
from typing import Any

import pytest

from fttrain.spec import faults


def found(**changes: Any) -> list[tuple[str, str]]:
    train = {"epochs": 1, "batch_size": 8, "optimizer": {"sgd": {"lr": 0.1}}}
    data = {"fake": {}, **changes.pop("data", {})}
    recipe = {"data": data, "model": {"cnn": {}}, "train": {**train, **changes}}
    with pytest.raises(faults.RecipeFaults) as error:
        faults.parse(json.dumps(recipe))
    return [(fault.field, fault.description) for fault in error.value.faults]


def test_numbers_that_32_bit_floats_do_not_hold_are_faults() -> None:
    assert found(
        optimizer={"sgd": {"lr": 1e39, "weight_decay": 2e30}}, clip_value=1e300, clip_norm=1e38
    ) == [
        ("train.clip_norm", "1e+38 is too large; at most 1e+30"),
        ("train.clip_value", "1e+300 is too large; at most 1e+30"),
        ("train.optimizer.sgd.lr", "1e+39 is too large; at most 1e+30"),
        ("train.optimizer.sgd.weight_decay", "2e+30 is too large; at most 1e+30"),
    ]


def test_more_made_images_than_memory_holds_are_a_fault() -> None:
    assert found(data={"fake": {"train": 2**31 - 1}}) == [
        ("data.fake.train", "should be less than or equal to 2000000, not 2147483647")
    ]
