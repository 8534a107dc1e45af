"""Job files for tests: small nets on small photos."""

from pathlib import Path
from typing import Any


def small(photos: Path, *, epochs: int = 3, name: str = "", **train: Any) -> dict[str, Any]:
    """Return a job that is done in seconds."""
    return {
        **({"name": name} if name else {}),
        "data": {
            "folder": {"path": str(photos)},
            "augment": ["horizontal_flip"],
            "preprocess": {"resize": 32, "crop": 32, "mean": [0.5] * 3, "std": [0.25] * 3},
        },
        "model": {"cnn": {"channels": [8, 16], "pool": 2}},
        "train": {
            "epochs": epochs,
            "batch_size": 8,
            "optimizer": {"sgd": {"lr": 0.05, "momentum": 0.9}},
            **train,
        },
    }


def endless(photos: Path, *, name: str = "") -> dict[str, Any]:
    """Return a job that runs until it is cancelled."""
    return small(photos, epochs=100_000, name=name)


def digits(name: str, *, epochs: int = 2, **words: Any) -> dict[str, Any]:
    """Return a job that learns 1,263 digits; an epoch takes a fraction of a second.

    `words` are the daemon's part of the job: `priority=5`.
    """
    return {
        "name": name,
        **words,
        "data": {"digits": {"val_share": 0.3}, "workers": 0},
        "model": {"cnn": {"channels": [8, 16], "pool": 2}},
        "train": {"epochs": epochs, "batch_size": 32, "optimizer": {"sgd": {"lr": 0.05}}},
        "outputs": [],
    }
