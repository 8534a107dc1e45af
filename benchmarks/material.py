"""What is measured on: photos, weights, a job, and the moment of its first step."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.table import CHECKOUT
from ftctl import AsyncClient, ProgressMade


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Photos, and a cache in which torchvision finds its weights."""

    photos: Path
    torch_home: Path

    def environment(self) -> dict[str, str]:
        """Return the environment in which torchvision finds its weights."""
        return {**os.environ, "TORCH_HOME": str(self.torch_home)}


def material(folder: Path) -> Material:
    """Unpack the photos and lay out the weights, from the folder with test material."""
    photos = unpacked("hymenoptera_data", folder)
    cache = folder / "torch/hub/checkpoints"
    cache.mkdir(parents=True)
    for weights in (shared() / "weights").iterdir():
        (cache / weights.name).symlink_to(weights.absolute())
    return Material(photos=photos, torch_home=folder / "torch")


def unpacked(name: str, folder: Path) -> Path:
    """Unpack a set of images of the test material into a folder; return where it lies."""
    archive = shared() / "data" / f"{name}.tar"
    if not archive.exists():
        raise SystemExit(f"no images at {archive}; set FINETUNED_TEST_DATA")
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
    return folder / name


def shared() -> Path:
    """Return the folder with test material."""
    return Path(os.environ.get("FINETUNED_TEST_DATA", CHECKOUT.parent / "shared"))


def job(photos: Path, *, seed: int) -> dict[str, Any]:
    """Return the measured job: the whole MobileNetV2 on mirrored photos, batch 8."""
    return {
        "data": {"folder": {"path": str(photos)}, "augment": ["horizontal_flip"]},
        "model": {"name": "mobilenet_v2", "weights": "IMAGENET1K_V1"},
        "train": {
            "seed": seed,
            "epochs": 25,
            "batch_size": 8,
            "optimizer": {"sgd": {"lr": 1e-3, "momentum": 0.9}},
            "schedule": {"step": {"every": 7, "gamma": 0.1}},
        },
    }


async def first_step(client: AsyncClient, name: str) -> None:
    """Return when a client has learned that a step of the job is finished."""
    async for event in client.watch(name):
        if isinstance(event, ProgressMade) and event.progress.step >= 1:
            return
    standing = await client.get(name)
    raise SystemExit(f"job {name} ended without a step: {standing.outcome}")
