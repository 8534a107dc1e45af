"""Recipes in files that the engine reads itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from fttrain import recipefile
from tests.house.words import paths_of_data

BESIDE: dict[str, dict[str, Any]] = {
    "data.manifest.root": {"path": "/list.csv"},
    "data.torchvision.path": {"name": "CIFAR10"},
}
"""What a source needs beside a path."""


@pytest.mark.parametrize("word", sorted(paths_of_data()))
def test_every_path_of_the_data_is_relative_to_the_file(tmp_path: Path, word: str) -> None:
    _, source, field = word.split(".")
    place = tmp_path / "job.json"
    body = {
        "data": {source: {**BESIDE.get(word, {}), field: "photos"}},
        "model": {"cnn": {}},
        "train": {"epochs": 1, "batch_size": 2, "optimizer": {"sgd": {"lr": 0.1}}},
    }
    place.write_text(json.dumps(body))

    read = recipefile.read(place).recipe

    assert getattr(getattr(read.data, source), field) == f"{tmp_path}/photos"
