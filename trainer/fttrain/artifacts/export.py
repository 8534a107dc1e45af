"""The trained model as one file: safetensors, with all that is needed to use it in its metadata."""

import json
from pathlib import Path
from typing import Literal

import safetensors.torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fttrain.events import Score
from fttrain.spec import rundir
from fttrain.spec.images import Preprocess
from fttrain.spec.network import Model
from fttrain.spec.plan import Environment
from fttrain.spec.recipe import Recipe

FORMAT: Literal[1] = 1


class BadModel(Exception):
    """A file that holds no model of ours."""


class Origin(BaseModel):
    """Where a model comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: str
    job_name: str
    epoch: int
    """The epoch whose weights these are: the best one."""
    val: Score
    """What it scored on the validation images."""


class ModelCard(BaseModel):
    """What a model is, apart from its weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = FORMAT
    classes: tuple[str, ...]
    """In the order of the net's outputs."""
    channels: int
    preprocess: Preprocess
    model: Model
    recipe: Recipe
    environment: Environment
    origin: Origin


def write_model(path: Path, tensors: dict[str, Tensor], card: ModelCard) -> None:
    """Write a model: there whole or not at all, and the same bytes for the same content.

    Each field of the card is one entry of the file's metadata, as JSON text.
    """
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    whole = safetensors.torch.save(_apart(content))
    header_end = 8 + int.from_bytes(whole[:8], "little")
    fields = card.model_dump(mode="json", exclude_none=True)
    metadata = {"format": "pt", **{name: _text(value) for name, value in fields.items()}}
    # The library writes metadata in an order of chance; a digest of the file needs a fixed one.
    header = _text({"__metadata__": metadata, **json.loads(whole[8:header_end])}).encode()
    header += b" " * (-len(header) % 8)
    begin = len(header).to_bytes(8, "little") + header
    rundir.write_aside(path, begin + memoryview(whole)[header_end:])


def read_model(path: Path) -> tuple[dict[str, Tensor], ModelCard]:
    """Read a model that `write_model` wrote.

    Raises:
        FileNotFoundError: where there is no such file.
        BadModel: where the file is damaged, or no model of this version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise BadModel(f"{path} is no whole safetensors file: {error}") from None
    return tensors, _card(path, metadata)


def _card(path: Path, metadata: dict[str, str]) -> ModelCard:
    version = metadata.get("format_version")
    if version is None:
        raise BadModel(f"{path} holds weights alone: no classes, no preprocessing, no recipe")
    if version != str(FORMAT):
        raise BadModel(
            f"{path} has format version {version}, this version reads {FORMAT}; "
            "use the version of finetuned that wrote it, or a later one"
        )
    try:
        fields = {name: json.loads(text) for name, text in metadata.items() if name != "format"}
        return ModelCard.model_validate_json(_text(fields))
    except (ValidationError, json.JSONDecodeError) as error:
        raise BadModel(f"{path} has metadata that cannot be read: {error}") from None


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copy what shares memory with an entry before it: safetensors has no aliases."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if place in seen else tensor
        seen.add(place)
    return apart


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
