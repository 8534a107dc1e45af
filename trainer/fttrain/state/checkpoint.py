"""Checkpoints: all that training can change, in one safetensors file without any pickle.

Tensors that stay as they were in a file of weights are left out; that file is named with its
digest, and read again when the checkpoint is.
"""

import errno
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, ValidationError, field_serializer
from torch import Tensor, nn
from torch.optim import Optimizer

from fttrain.events import EpochEnded, Score
from fttrain.models import tensors as files
from fttrain.models.tensors import BadWeights, Contents
from fttrain.spec import rundir
from fttrain.spec.plan import Environment, Plan
from fttrain.spec.recipe import Recipe

_ENTRY = "finetuned_checkpoint"
# What a net is used with; of that, what training goes on from instead; the optimizer's own.
_MODEL, _LIVE, _OPTIMIZER = "model/", "live/", "optimizer/"


class Base(BaseModel):
    """The file that holds what training leaves as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    sha256: str
    names: tuple[str, ...]


class Partial(BaseModel):
    """What an epoch has come to so far."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    loss_sum: float
    correct: int
    count: int
    seconds: float


class Card(BaseModel):
    """What a checkpoint is, apart from its tensors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1, 2] = 2
    epoch: int
    """The last that was complete; 0: none."""
    step: int
    """Steps of the whole run that are done."""
    best_epoch: int | None = None
    best: Score | None = None
    """None where no epoch has been evaluated yet."""
    seed: int
    job_name: str
    recipe: Recipe
    plan: Plan
    base: Base | None = None
    averaged: int = 0
    """Updates that the mean of the weights is made of, where there is one."""
    scaler: dict[str, int | float] = {}
    """The state of fp16's loss scaler."""
    attempt: int = 1
    """Which attempt kept it."""
    repeat: int = 0
    """Which repeat is under way, from 1; 0: there is but one."""
    epochs: list[EpochEnded] = []
    """All that are complete, those of repeats before included."""
    partial: Partial | None = None
    """The epoch under way; None: the last one is evaluated."""
    images: int = 0
    """Trained on since the run began."""
    data_wait_s: float = 0.0
    spared: dict[str, str] = {}
    """Images that have turned out bad, by name, and why."""
    environment: Environment | None = None
    """In which it was made, which may be a later one than the plan's."""
    instructions: str = ""
    inexact: str = ""
    """Why the run may differ from an unbroken one; empty: it does not."""

    @field_serializer("epochs")
    def _whole(self, epochs: list[EpochEnded]) -> list[dict[str, Any]]:
        """Keep what is None: it must be said when it is read again."""
        return [asdict(ended) for ended in epochs]

    @classmethod
    def of(cls, contents: Contents, path: Path) -> Self:
        """Read the card of a file.

        Raises:
            BadWeights: where it cannot be read.
        """
        try:
            card = cls.model_validate_json(contents.metadata[_ENTRY])
        except (ValidationError, KeyError):
            raise BadWeights(f"{path} is no checkpoint of this version") from None
        if card.format > 1 and not contents.is_sealed:
            raise BadWeights(f"{path} is damaged: its digest is missing")
        return card


def is_checkpoint(contents: Contents) -> bool:
    """Tell a checkpoint from other files of tensors."""
    return _ENTRY in contents.metadata


def changing(net: nn.Module, trained: set[str]) -> set[str]:
    """Return the names of the tensors that training changes: weights, and statistics in use."""
    names = set(trained)
    for path, module in net.named_modules():
        own = [f"{path}.{name}" for name, _ in module.named_buffers(recurse=False)]
        if own and any(f"{path}.{n}" in trained for n, _ in module.named_parameters(recurse=False)):
            names.update(own)
    return names


def write(
    path: Path,
    net: nn.Module,
    optimizer: Optimizer,
    card: Card,
    *,
    live: Mapping[str, Tensor] | None = None,
) -> str:
    """Write a checkpoint: there whole or not at all. Return its SHA-256 in hexadecimal.

    The net holds what it is used with; `live` are the tensors that training goes on from, where
    they are others.

    Raises:
        OSError: where there is no room (ENOSPC), or the disk fails.
    """
    left_out = set(card.base.names) if card.base else set()
    content = {
        _MODEL + name: tensor.detach().cpu().contiguous()
        for name, tensor in net.state_dict().items()
        if name not in left_out
    }
    content |= {
        _LIVE + name: tensor.detach().cpu().contiguous() for name, tensor in (live or {}).items()
    }
    content |= {
        _OPTIMIZER + name: tensor.cpu().contiguous()
        for name, tensor in _optimizer_state(net, optimizer).items()
    }
    data = files.sealed(content, {_ENTRY: card.model_dump_json(exclude_none=True)})
    path.parent.mkdir(exist_ok=True, parents=True)
    _ask_for_room(path, len(data))
    rundir.write_aside(path, data)
    return hashlib.sha256(data).hexdigest()


def _ask_for_room(path: Path, size: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < size:
        what = f"the checkpoint takes {size:,} bytes, {free:,} are free"
        raise OSError(errno.ENOSPC, what, str(path))


def read(path: Path) -> tuple[dict[str, Tensor], Card]:
    """Read the whole net of a checkpoint, as named tensors.

    Raises:
        BadWeights: where it, or the file that it builds on, is missing, damaged or another.
    """
    return complete(path, files.read(path))


def complete(path: Path, contents: Contents) -> tuple[dict[str, Tensor], Card]:
    """Return the whole net of a checkpoint that has been read.

    Raises:
        BadWeights: as `read`.
    """
    card = Card.of(contents, path)
    net = changed(contents)
    if card.base is not None:
        base = _base_tensors(path, card.base)
        net |= {name: base[name] for name in card.base.names}
    return net, card


def changed(contents: Contents) -> dict[str, Tensor]:
    """Return the part of the net that the checkpoint itself holds."""
    return _under(_MODEL, contents.tensors)


def live(contents: Contents) -> dict[str, Tensor]:
    """Return what training goes on from, where it is not what the net is used with."""
    return _under(_LIVE, contents.tensors)


def optimizer_state(contents: Contents) -> dict[str, Tensor]:
    """Return the optimizer's tensors, named PARAMETER/STATE."""
    return _under(_OPTIMIZER, contents.tensors)


def restore_optimizer(net: nn.Module, optimizer: Optimizer, state: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_state` returned: the next step is the one that would have come."""
    for name, parameter in net.named_parameters():
        own = {n.rpartition("/")[2]: t for n, t in state.items() if n.rpartition("/")[0] == name}
        for key, tensor in own.items():
            if tensor.shape == parameter.shape and tensor.ndim:
                # Strides as the parameter's, as torch makes them.
                place = torch.empty_like(parameter, dtype=tensor.dtype, requires_grad=False)
                optimizer.state[parameter][key] = place.copy_(tensor)
            else:
                # Counts of steps: torch's optimizers keep them on the CPU.
                optimizer.state[parameter][key] = tensor.clone()


def _base_tensors(path: Path, base: Base) -> dict[str, Tensor]:
    contents = files.read(Path(base.path))
    if contents.sha256 != base.sha256:
        raise BadWeights(
            f"{path} builds on {base.path}, which has changed since (its SHA-256 begins with "
            f"{contents.sha256[:8]}, not {base.sha256[:8]})"
        )
    return whole_net(Path(base.path), contents)


def whole_net(path: Path, contents: Contents) -> dict[str, Tensor]:
    """Return the net in a file of whichever kind.

    Raises:
        BadWeights: as `read`.
    """
    return complete(path, contents)[0] if is_checkpoint(contents) else contents.tensors


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _optimizer_state(net: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    return {
        f"{name}/{key}": value
        for name, parameter in net.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }
