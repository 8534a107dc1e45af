"""What is trained in a comparison: said once, for the peers' tasks and for our job files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.task import AugmentName, NetName, PeerName, Task, TrainsName

_AUGMENTS: Mapping[AugmentName, list[Any]] = {
    "none": [],
    "flip": ["horizontal_flip"],
    "crop": [{"random_resized_crop": {"size": 224}}, "horizontal_flip"],
    "pad-and-flip": [{"random_crop": {"size": 32, "padding": 4}}, "horizontal_flip"],
}
_TRAINS: Mapping[TrainsName, str | list[str]] = {
    "all": "all",
    "head": "head",
    "after:5": ["head", "block:features[5:]"],
}
_NETS: Mapping[NetName, Mapping[str, Any]] = {
    "mobilenet_v2": {"name": "mobilenet_v2", "weights": "IMAGENET1K_V1"},
    "rn16": {"rn": {"blocks": 16}},
}
_SMALL = {"crop": 32, "mean": [0.4914, 0.4822, 0.4465], "std": [0.2470, 0.2435, 0.2616]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A training, whoever does it."""

    net: NetName = "mobilenet_v2"
    trains: TrainsName
    augment: AugmentName
    epochs: int
    batch: int
    lr: float = 1e-3

    def task(
        self,
        peer: PeerName,
        photos: Path,
        *,
        epochs: int,
        seed: int,
        workers: int | None = None,
        is_tuned: bool = False,
    ) -> Task:
        """Return it as a peer's task."""
        return Task(
            peer=peer, photos=str(photos), net=self.net, trains=self.trains, augment=self.augment,
            epochs=epochs, batch=self.batch, lr=self.lr, seed=seed, workers=workers,
            is_tuned=is_tuned,
        )  # fmt: skip

    def job(
        self, photos: Path, *, seed: int, epochs: int | None = None, precision: str = "auto"
    ) -> dict[str, Any]:
        """Return it as a job of ours. New words that make it faster are added here."""
        data: dict[str, Any] = {
            "folder": {"path": str(photos)},
            "augment": _AUGMENTS[self.augment],
        }
        if self.net == "rn16":
            data["preprocess"] = _SMALL
        return {
            "data": data,
            "model": dict(_NETS[self.net]),
            "train": {
                "seed": seed,
                "epochs": self.epochs if epochs is None else epochs,
                "batch_size": self.batch,
                "trains": _TRAINS[self.trains],
                "optimizer": {"sgd": {"lr": self.lr, "momentum": 0.9}},
                "schedule": {"step": {"every": 7, "gamma": 0.1}},
                "precision": precision,
            },
            "outputs": [],
        }
