"""What the gallery runs for real: which job file, on which photos, with what changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.table import CHECKOUT
from ftctl import JobFile

FOLDER = CHECKOUT / "examples/gallery"
ARCHIVES = {
    "ants-bees": "hymenoptera_data",
    "cars": "stanford_cars_10class",
    "flowers5": "flowers5",
    "cifar": "cifar10_jpg_subset",
}
# What ImageNet's weights bring; a net that starts from none has to be told.
_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}

# Two share a core: one of them has work while the other one reads or writes.
_SHARED = {"resources.memory": "4GiB"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A job file with what is changed of it."""

    name: str
    """The job's."""
    file: str
    """Below examples/gallery."""
    photos: str
    """The set that it runs on."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    after: str = ""
    """The run that it goes on from."""

    @property
    def path(self) -> Path:
        """Return where the job file lies."""
        return FOLDER / self.file

    def job_file(self) -> JobFile:
        """Read the job as it is run."""
        return JobFile.read(self.path, overrides=self.overrides)


def runs() -> dict[str, Run]:
    """Return all runs by name, each after the one that it goes on from."""
    every = (*_s2(), *_s4b(), *_s3_cars(), *_s3_cifar())
    return {run.name: run for run in every}


# --- the three reports ------------------------------------------------------------------------


def _s2() -> Iterator[Run]:
    sizes = {"data.preprocess": {"resize": 184, "crop": 160}}
    common = {
        "data.folder": None, "data.dataset": "ants-bees", **sizes, "model.name": "mobilenet_v2",
    }  # fmt: skip
    crop = {"data.augment[0].random_resized_crop.size": 160}
    # Its list is that of the recipe that it is based on.
    whole = {"data.augment": [{"random_resized_crop": {"size": 160}}, "horizontal_flip"]}
    for stem, more in (
        ("pretrained-resnet", {}),
        ("freezed-resnet", {}),
        ("pretrained_resnet-no-augm", {}),
        ("pretrained-resnet_no_lr_decay", {}),
        ("freezed-resnet-1", {}),
        ("pretrained-resnet-more-augm", crop),
        ("pretrained-resnet-augm-2", whole),
    ):
        yield Run(
            name=stem.replace("_", "-"), file=f"s2/{stem}.yaml", photos="ants-bees",
            overrides={**common, **more},
        )  # fmt: skip


_S4B = (
    "all-but-last-frozen", "first-k-frozen", "all-small-lr", "progressive-unfreezing", "gelu-head",
    "scratch",
)  # fmt: skip


def _s4b() -> Iterator[Run]:
    split = {"val": 0.2, "seed": 0}
    sizes = {"resize": 144, "crop": 128}
    common = {
        "data.folder": None, "data.dataset": {"name": "flowers5", "split": split},
        "data.limit": 100, "model.name": "mobilenet_v2", "train.batch_size": 32,
    }  # fmt: skip
    for stem in _S4B:
        told = {**sizes, **_IMAGENET} if stem == "scratch" else sizes
        yield Run(
            name=f"flowers5-{stem}", file=f"s4b/{stem}.yaml", photos="flowers5",
            overrides={"name": f"flowers5-{stem}", **common, "data.preprocess": told},
        )  # fmt: skip


_STRATEGIES = (
    "whole-layer", "separate-lr-as-run", "separate-lr-as-meant", "last-3", "feature-extractor",
    "bias", "bias-and-head", "norm-and-last", "scratch",
)  # fmt: skip


def _s3_cars() -> Iterator[Run]:
    for strategy in _STRATEGIES:
        as_run = strategy == "separate-lr-as-run"
        yield Run(
            name=f"cars-{strategy}", photos="cars",
            file="s3/cars196-separate-lr.yaml" if as_run else f"s3/cifar10-{strategy}.yaml",
            overrides={
                "name": f"cars-{strategy}", "data.torchvision": None, "data.dataset": "cars",
                **_s3_sizes(strategy, resize=144, crop=128),
                "train.epochs": 6, "train.batch_size": 16, **_SHARED,
            },
        )  # fmt: skip


def _s3_cifar() -> Iterator[Run]:
    for strategy in (*_STRATEGIES, "scratch-longer"):
        longer = strategy == "scratch-longer"
        yield Run(
            name=f"cifar10-{strategy}", file=f"s3/cifar10-{strategy}.yaml", photos="cifar",
            after="cifar10-scratch" if longer else "",
            overrides={
                "data.torchvision": None, "data.dataset": {"name": "cifar", "val": "test"},
                "data.limit": 100, **_s3_sizes(strategy, resize=64, crop=64),
                "train.epochs": 12 if longer else 6, "train.batch_size": 32, **_SHARED,
            },
        )  # fmt: skip


def _s3_sizes(strategy: str, *, resize: int, crop: int) -> dict[str, Any]:
    told = _IMAGENET if strategy.startswith("scratch") else {}
    return {
        "data.preprocess": {"resize": resize, "crop": crop, **told},
        "data.augment[0].random_resized_crop.size": crop,
    }
