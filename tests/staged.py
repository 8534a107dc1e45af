"""Recipes in stages, and nets written out by hand, for tests of the engine."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from fttrain.spec import faults, rundir
from fttrain.spec.recipe import Recipe
from fttrain.state import checkpoint

SGD = {"sgd": {"lr": 0.05, "momentum": 0.9}}
BLOCKS = ("features.0", "features.1", "features.2")
"""Of the small net: a convolution `.0` and a BatchNorm `.1` each, and a head."""


def recipe(
    *stages: Mapping[str, Any], data: Mapping[str, Any] | None = None, **train: Any
) -> Recipe:
    """Read a recipe of 40 digits and a small net, 10 steps an epoch, in stages; no pictures."""
    whole = {"digits": {"labels_per_class": 4}, **(data or {})}
    if "folder" in whole:
        del whole["digits"]
    told = {"stages": list(stages)} if "epochs" not in train or stages else {}
    body: dict[str, Any] = {
        "data": whole,
        "model": train.pop("model", {"cnn": {"channels": [4, 8, 8]}}),
        "train": {"batch_size": 4, "optimizer": SGD, **train, **told},
        "outputs": [],
    }
    body["train"] = {key: value for key, value in body["train"].items() if value is not None}
    return faults.parse(json.dumps(body))


def refused(*stages: Mapping[str, Any], **train: Any) -> dict[str, str]:
    """Return the faults of a recipe that cannot be read."""
    try:
        recipe(*stages, **train)
    except faults.RecipeFaults as found:
        return {fault.field: fault.description for fault in found.faults}
    raise AssertionError("the recipe has no faults")


def net_of(path: Path) -> dict[str, Tensor]:
    """Return the net in a checkpoint, whole."""
    return checkpoint.read(path)[0]


def at_step(folder: Path, step: int) -> dict[str, Tensor]:
    """Return the net as it was kept at a step."""
    return net_of(folder / rundir.STEPS / f"{step:09}.safetensors")


def changed(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> set[str]:
    """Return the names of the tensors of which any bit differs."""
    assert before.keys() == after.keys()
    return {name for name, tensor in before.items() if not tensor.equal(after[name])}


def layers(*names: str) -> set[str]:
    """Return the tensors of blocks of the small net, statistics of BatchNorm included."""
    return {
        f"{name}.{leaf}"
        for name in names
        for leaf in (
            ("weight", "bias") if name == "head"
            else ("0.weight", "1.weight", "1.bias", *(f"1.{each}" for each in STATISTICS))
        )
    }  # fmt: skip


STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
