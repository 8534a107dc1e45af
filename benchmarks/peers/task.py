"""What a peer is asked to train, and what it answers. Known to the harness and to the peers."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self

PeerName = Literal["tutorial", "lightning", "fastai", "timm", "loader"]
NetName = Literal["mobilenet_v2", "rn16"]
AugmentName = Literal["none", "flip", "crop", "pad-and-flip"]
TrainsName = Literal["all", "head", "after:5"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One training, by one peer: SGD, momentum 0.9, a tenth of the rate every 7 epochs."""

    peer: PeerName
    photos: str
    """A folder with train/CLASS and val/CLASS."""
    net: NetName = "mobilenet_v2"
    trains: TrainsName = "all"
    """after:5: all but the first five blocks."""
    augment: AugmentName = "none"
    """crop: a random resized one, and a flip; pad-and-flip: CIFAR's."""
    epochs: int
    batch: int
    lr: float = 1e-3
    seed: int = 0
    workers: int | None = None
    """Loader processes; None: as many as the peer's own quick start has."""
    is_tuned: bool = False
    """bf16 by autocast, and channels_last."""
    ends_at_first_step: bool = False
    """Print `step 1` after it, and end."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it from a file."""
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        """Write it to a file."""
        path.write_text(json.dumps(asdict(self)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of it."""

    version: str
    """The peer's, and torch's."""
    workers: int
    precision: str
    layout: str
    images: int
    """Trained on in an epoch."""
    epochs_s: list[float]
    """Each epoch, evaluation included."""
    correct: list[int]
    """Of the validation images, after each epoch."""
    count: int
    """Validation images."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it from a file."""
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        """Write it to a file."""
        path.write_text(json.dumps(asdict(self)))
