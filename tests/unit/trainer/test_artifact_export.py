"""The exported model: one file that tells all about itself, whole or not at all."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors import safe_open

from fttrain.artifacts.export import BadModel, ModelCard, Origin, read_model, write_model
from fttrain.events import Score
from fttrain.spec.images import Preprocess
from fttrain.spec.plan import Environment
from fttrain.spec.recipe import Recipe

RECIPE = Recipe.model_validate_json(
    json.dumps({
        "data": {"folder": {"path": "/data/x"}, "augment": ["horizontal_flip"]},
        "model": {"cnn": {"channels": [4, 8]}, "weights": "none"},
        "train": {
            "epochs": 3,
            "batch_size": 4,
            "optimizer": {"sgd": {"lr": 1e-3}},
            "schedule": {"step": {"every": 7}},
        },
    })
)  # fmt: skip

CARD = ModelCard(
    classes=("ants", "bees", "ß “quoted”"),
    channels=3,
    preprocess=Preprocess(resize=256, crop=224, mean=[0.485, 0.456, 0.406], std=[0.1, 0.2, 0.3]),
    model=RECIPE.model,
    recipe=RECIPE,
    environment=Environment(
        torch="2.15.0", torchvision="0.29.2", python="3.11", cpu_capability="AVX2"
    ),
    origin=Origin(
        job_id="0198",
        job_name="ants-bees",
        epoch=2,
        val=Score(
            loss=0.2,
            accuracy=0.95,
            correct=19,
            count=20,
            accuracy_low=0.76,
            accuracy_high=0.99,
        ),
    ),
)


def tensors() -> dict[str, torch.Tensor]:
    shared = torch.arange(12.0)
    return {
        "b.weight": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "a.weight": torch.nn.Parameter(torch.randn(3, 5)),
        "count": torch.tensor(7),
        "one": shared[:6],
        "two": shared[6:].view(2, 3).t(),
        "same": shared[:6],
    }


def test_what_is_written_is_read_bit_for_bit(tmp_path: Path) -> None:
    path, written = tmp_path / "model.safetensors", tensors()

    write_model(path, written, CARD)
    read, card = read_model(path)

    assert card == CARD
    assert read.keys() == written.keys()
    for name, tensor in written.items():
        assert torch.equal(read[name], tensor), name
        assert read[name].dtype == tensor.dtype


def test_ten_lines_of_plain_torch_can_read_it(tmp_path: Path) -> None:
    write_model(tmp_path / "model.safetensors", tensors(), CARD)

    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        metadata = file.metadata()
        names = set(file.keys())

    assert names == set(tensors())
    assert json.loads(metadata["classes"]) == list(CARD.classes)
    assert json.loads(metadata["preprocess"])["resize"] == 256
    assert json.loads(metadata["recipe"]) == json.loads(RECIPE.model_dump_json(exclude_none=True))
    assert json.loads(metadata["model"]) == json.loads(metadata["recipe"])["model"]
    assert json.loads(metadata["environment"])["torch"] == "2.15.0"
    assert json.loads(metadata["origin"])["job_name"] == "ants-bees"
    assert json.loads(metadata["origin"])["val"]["correct"] == 19
    assert metadata["format_version"] == "1"
    assert metadata["format"] == "pt"


def test_the_same_model_is_the_same_file(tmp_path: Path) -> None:
    same = tensors()
    for number in range(5):
        write_model(tmp_path / str(number), same, CARD)

    assert len({(tmp_path / str(number)).read_bytes() for number in range(5)}) == 1


def test_nothing_lies_beside_it_and_one_before_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("an older one")

    write_model(path, tensors(), CARD)

    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]
    assert read_model(path)[1] == CARD


def test_a_failed_write_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_model(path, tensors(), CARD)
    before = path.read_bytes()

    with pytest.raises(RuntimeError):
        write_model(path, {"x": torch.empty(3, device="meta")}, CARD)

    assert path.read_bytes() == before


# --- faults -----------------------------------------------------------------------------------


def bad(path: Path) -> str:
    with pytest.raises(BadModel) as caught:
        read_model(path)
    return str(caught.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_model(tmp_path / "model.safetensors")


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_model(path, tensors(), CARD)
    path.write_bytes(path.read_bytes()[:-7])

    assert bad(path).startswith(f"{path} is no whole safetensors file: ")


def test_plain_weights_are_told_from_a_model(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({"x": torch.ones(1)}, path)

    assert bad(path) == f"{path} holds weights alone: no classes, no preprocessing, no recipe"


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file({"x": torch.ones(1)}, path, {"format_version": "2"})

    assert bad(path) == (
        f"{path} has format version 2, this version reads 1; "
        "use the version of finetuned that wrote it, or a later one"
    )


def test_odd_metadata_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for metadata in ({"format_version": "1"}, {"format_version": "1", "classes": "["}):
        safetensors.torch.save_file({"x": torch.ones(1)}, path, metadata)

        assert bad(path).startswith(f"{path} has metadata that cannot be read: ")
