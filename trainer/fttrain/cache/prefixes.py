"""What decides about what the frozen prefix of a net makes of images, beside the images."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fttrain import environment, loop, process
from fttrain.data import decode
from fttrain.loop import Training
from fttrain.spec import rundir
from fttrain.spec.plan import Plan

_TRIED = "alike"
_AT_ONCE_BYTES = 1 << 30
"""Chunks that are made at once may hold so much. A chunk holds 0.1 GB in the first layers of a
ResNet: a thread more is faster, but a plan counts on no more memory for it."""


def digest(training: Training, plan: Plan) -> str:
    """Return a digest of all that decides about the bits of features, beside the images."""
    blocks = training.net.blocks[: training.prefix]
    whole: dict[str, Any] = {
        "net": training.net.name,
        "blocks": [block.name for block in blocks],
        # What tensors do not tell: activations, pooling, strides.
        "modules": [str(module) for block in blocks for module in block.modules],
        "tensors": _digest_of_prefix(training),
        "preprocess": plan.preprocess.steps.model_dump(mode="json"),
        "chunk": training.chunk,
        "pixels": decode.made_by(),
        "environment": environment.now(environment.accelerator(plan.device)).model_dump(),
        "instructions": environment.instructions(),
        **{name: getattr(plan, name) for name in ("device", "threads", "layout", "precision")},
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:32]


def _digest_of_prefix(training: Training) -> str:
    """Return a digest of all tensors of the prefix."""
    digest = hashlib.sha256()
    for block in training.net.blocks[: training.prefix]:
        for part in block.parts:
            loose = {name: training.net.module.get_parameter(name) for name in part.loose}
            for name, tensor in {**part.module.state_dict(), **loose}.items():
                digest.update(f"{part.name}.{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
                digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    pixels: NDArray[np.uint8] = flat.view(torch.uint8).numpy()
    return pixels.data


def at_once(training: Training, shape: Sequence[int], folder: Path) -> int:
    """Return how many chunks may be made at once; 0 where nothing may be kept.

    What was tried before is noted beside what is kept.
    """
    note = folder / "-".join([_TRIED, *map(str, shape)])
    with suppress(OSError, ValueError):  # Older versions left it empty.
        return int(note.read_text())
    found = most_at_once(training, shape)
    if found > 0:
        with suppress(OSError):  # It can be tried again.
            folder.mkdir(parents=True, exist_ok=True)
            rundir.write_aside(note, str(found).encode())
    return found


def most_at_once(training: Training, shape: Sequence[int]) -> int:
    """Try whether images come to the same wherever in a chunk they lie, and by one thread.

    Returns as `at_once` does.
    """
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 256, (training.chunk, *shape), np.uint8)
    images = torch.from_numpy(pixels)
    features = loop.passed(training, images)

    def is_alike(by: int) -> bool:
        return torch.equal(features, loop.passed(training, images.roll(by, 0)).roll(-by, 0))

    if not is_alike(training.chunk // 2):
        return 0
    threads = torch.get_num_threads()
    if training.device.type == "cpu" and threads > 1:
        with process.one_thread(), _watched(training) as held:
            if is_alike(1):
                return max(min(threads, _AT_ONCE_BYTES // max(1, *held)), 1)
    return 1 if is_alike(1) else 0


@contextmanager
def _watched(training: Training) -> Iterator[list[int]]:
    """Note how many bytes of a chunk are in memory at once: what each layer takes and makes."""
    held: list[int] = []

    def note(_: nn.Module, taken: Any, made: Any) -> None:
        held.append(sum(each.nbytes for each in (*taken, made) if isinstance(each, Tensor)))

    with ExitStack() as stack:
        for block in training.net.blocks[: training.prefix]:
            for module in {inner for each in block.modules for inner in each.modules()}:
                stack.callback(module.register_forward_hook(note).remove)
        yield held
