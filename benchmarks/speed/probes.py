"""What cannot be saved: decoding, forward and training passes, memory, each measured by itself.

Run as `python -m benchmarks.speed.probes SET=FOLDER...`; prints the figures as JSON. Two threads
or as many as there are cores, memory handled as the engine does.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models

from benchmarks.peers.nets import SmallResNet
from benchmarks.speed.footprint import pss_mb
from fttrain import process
from fttrain.data import decode
from fttrain.data.view import EvalView, normalise
from fttrain.precision import Name, Precision
from fttrain.spec.images import Preprocess

PRECISIONS: Sequence[Name] = ("fp32", "bf16")
PHOTOS = 24
LEAST_S, LEAST_TIMES = 1.0, 3
FULL, FROZEN, SMALL = 16, 4, 128
"""Batches of the comparisons."""
_STEPS = Preprocess(resize=256, crop=224, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
_SMALL_STEPS = Preprocess(mean=[0.5] * 3, std=[0.25] * 3)


def measure(folders: Mapping[str, Path]) -> dict[str, float]:
    """Measure everything; seconds per image where nothing else is said."""
    process.settle(threads=os.cpu_count() or 1, device="cpu")
    found = {"cores": float(os.cpu_count() or 1), "memory": memory()}
    found |= {f"decode {name}": decoding(folder, name) for name, folder in folders.items()}
    for precision in PRECISIONS:
        found |= {f"{what} {precision}": seconds for what, seconds in passes(precision)}
    found["head step"] = head_step()
    found["gather"] = gathering()
    return found


def memory() -> float:
    """Return the megabytes of this process after a step of the whole net: the first to be asked,
    as freed memory is kept."""
    photos = torch.rand(FULL, 3, 224, 224).to(memory_format=torch.channels_last)
    _step(_laid_out(models.mobilenet_v2(weights=None)), photos, "fp32")
    return pss_mb(os.getpid())


def decoding(folder: Path, name: str) -> float:
    """Return the seconds from a file to the pixels that a net sees, on one core."""
    files = sorted(path for path in (folder / "train").rglob("*.jpg"))
    taken = files[:: max(len(files) // PHOTOS, 1)][:PHOTOS]
    view = EvalView(_SMALL_STEPS if name == "cifar" else _STEPS)
    return statistics.median(_once(lambda path=path: view(decode.picture(path))) for path in taken)  # type: ignore[misc]


def passes(precision: Name) -> Iterator[tuple[str, float]]:
    """Yield evaluation and training of each net, channels last."""
    photos = torch.rand(FULL, 3, 224, 224).to(memory_format=torch.channels_last)
    whole = _laid_out(models.mobilenet_v2(weights=None))
    rest = nn.Sequential(whole.features[5:], nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2))
    after = nn.Sequential(rest, nn.Linear(1280, 2))
    seen = whole.features[:5](photos).detach()
    small, pixels = _laid_out(SmallResNet(10)), torch.rand(SMALL, 3, 32, 32)
    pixels = pixels.to(memory_format=torch.channels_last)
    for name, net, images in (
        ("full", whole, photos),
        ("after 5", after, seen),
        ("rn16", small, pixels),
    ):
        yield f"forward {name}", _forward(net, images, precision)
        yield f"step {name}", _step(net, images, precision)


def head_step() -> float:
    """Return the seconds of one step of a head on features that are known."""
    head = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 2))
    return _step(head, torch.rand(FROZEN, 1280), "fp32") * FROZEN


def gathering() -> float:
    """Return the seconds per small image from bytes in memory to a normalised batch."""
    known = torch.randint(0, 256, (5000, 3, 40, 40), dtype=torch.uint8)
    chosen = torch.randperm(5000)[:SMALL]
    return _time(lambda: normalise(known[chosen][:, :, 4:36, 4:36].flip(3), _SMALL_STEPS)) / SMALL


def _laid_out(net: nn.Module) -> Any:
    return net.to(memory_format=torch.channels_last)


def _forward(net: nn.Module, images: Tensor, precision: Name) -> float:
    net.eval()

    def once() -> None:
        with torch.inference_mode(), Precision(precision).cast():
            net(images)

    return _time(once) / len(images)


def _step(net: nn.Module, images: Tensor, precision: Name) -> float:
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    labels = torch.zeros(len(images), dtype=torch.int64)

    def once() -> None:
        with Precision(precision).stepping():
            loss = nn.functional.cross_entropy(net(images).float(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    return _time(once) / len(images)


def _time(once: Callable[[], object]) -> float:
    """Return the median duration, after one time that does not count."""
    once()
    spent: list[float] = []
    while sum(spent) < LEAST_S or len(spent) < LEAST_TIMES:
        spent.append(_once(once))
    return statistics.median(spent)


def _once(once: Callable[[], object]) -> float:
    begun = time.perf_counter()
    once()
    return time.perf_counter() - begun


def main(arguments: Sequence[str]) -> None:
    """Measure what is named, and print it."""
    folders = dict(argument.split("=", 1) for argument in arguments)
    print(json.dumps(measure({name: Path(folder) for name, folder in folders.items()})))


if __name__ == "__main__":
    main(sys.argv[1:])
