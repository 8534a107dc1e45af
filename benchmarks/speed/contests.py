"""Who is compared with whom, on what. Rows of the table are read off these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.peers.task import PeerName
from benchmarks.speed.sets import SetName
from benchmarks.speed.work import Work

OURS = "ours"
CACHED = "ours, cached"
FP32 = "ours, fp32"
ALONE = "ours, fp32, engine alone"
QUICK_STARTS: Sequence[PeerName] = ("tutorial", "lightning", "fastai", "timm")
WORKERS = (0, 1, 2)
"""Of these a tuned peer has the best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A peer's turn."""

    peer: PeerName
    epochs: int = 3
    workers: int | None = None
    """None: as its quick start has it."""
    is_tuned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """Our turn: a job by `ftctl submit`, on a daemon that has seen none of its images."""

    epochs: int
    precision: str = "auto"
    again: str | None = None
    """The same once more, with another seed, on the same daemon: told under this name."""
    is_weighed: bool = True
    """Whether its memory is looked at meanwhile, which takes some percent of its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """The engine without the daemon."""

    epochs: int
    precision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """Our loader without a net."""

    epochs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """To the first step: a script from exec, or a job of ours from SubmitJob, all warm."""

    what: Literal["script", "job", "job, cached"]
    times: int = 3


Turn = Peer | Ours | Alone | Loader | Start


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Turns on the same work and images."""

    photos: SetName
    work: Work
    turns: Mapping[str, Turn]
    rounds: int = 3
    """At most so many."""


def _peers(peers: Sequence[PeerName], epochs: int = 3) -> dict[str, Turn]:
    return {peer: Peer(peer=peer, epochs=epochs) for peer in peers}


def _tuned(peers: Sequence[PeerName], epochs: int = 3) -> dict[str, Turn]:
    return {
        f"{peer}, tuned, workers: {workers}": Peer(
            peer=peer, epochs=epochs, workers=workers, is_tuned=True
        )
        for peer in peers
        for workers in WORKERS
    }


_FROZEN = Work(trains="head", augment="none", epochs=25, batch=4)
_FLIP = Work(trains="head", augment="flip", epochs=25, batch=4)
_CROP = Work(trains="head", augment="crop", epochs=25, batch=4)
_FULL = Work(trains="all", augment="flip", epochs=3, batch=16)
_BLOCKS = Work(trains="after:5", augment="none", epochs=3, batch=16)
_SMALL = Work(net="rn16", trains="all", augment="pad-and-flip", epochs=3, batch=128, lr=0.05)
_START = Work(trains="all", augment="flip", epochs=25, batch=8)

CONTESTS: Mapping[str, Contest] = {
    "frozen": Contest(
        photos="ants-bees", work=_FROZEN,
        turns=_peers(["tutorial"]) | {OURS: Ours(epochs=25, again=CACHED)},
    ),
    "frozen-flip": Contest(
        photos="ants-bees", work=_FLIP, turns=_peers(["tutorial"]) | {OURS: Ours(epochs=25)}
    ),
    "frozen-crop": Contest(
        photos="ants-bees", work=_CROP, turns=_peers(["tutorial"]) | {OURS: Ours(epochs=25)},
        rounds=2,
    ),
    "full": Contest(
        photos="ants-bees", work=_FULL,
        turns=_peers(QUICK_STARTS, epochs=2) | {
            OURS: Ours(epochs=3),
            FP32: Ours(epochs=3, precision="fp32"),
        } | _tuned(QUICK_STARTS, epochs=2),
    ),
    "daemon": Contest(
        photos="ants-bees", work=_FULL,
        turns={
            FP32: Ours(epochs=4, precision="fp32", is_weighed=False),
            ALONE: Alone(epochs=4, precision="fp32"),
        },
    ),
    "memory": Contest(
        photos="ants-bees", work=_FULL,
        turns={
            "tutorial, 2 workers": Peer(peer="tutorial", workers=2, epochs=1),
            OURS: Ours(epochs=3),
        },
    ),
    "blocks": Contest(
        photos="ants-bees", work=_BLOCKS,
        turns=_peers(QUICK_STARTS, epochs=2) | {OURS: Ours(epochs=3)}, rounds=2,
    ),
    "loader": Contest(
        photos="cifar", work=_SMALL,
        turns={
            f"DataLoader, workers: {workers}": Peer(peer="loader", epochs=3, workers=workers)
            for workers in WORKERS
        } | {OURS: Loader(epochs=5)},
    ),
    "rn16": Contest(
        photos="cifar", work=_SMALL,
        turns=_peers(["tutorial"], epochs=2) | {OURS: Ours(epochs=2)}, rounds=2,
    ),
    "large": Contest(
        photos="large", work=_FROZEN, turns=_peers(["tutorial"], epochs=2) | {OURS: Ours(epochs=4)}
    ),
    "large-full": Contest(
        photos="large", work=_FULL, rounds=1,
        turns=_peers(["tutorial"], epochs=2) | {OURS: Ours(epochs=3)},
    ),
    "start": Contest(
        photos="ants-bees", work=_START,
        turns={"tutorial": Start(what="script"), OURS: Start(what="job")},
    ),
    "start-frozen": Contest(
        photos="ants-bees", work=_FROZEN,
        turns={"tutorial": Start(what="script"), CACHED: Start(what="job, cached")},
    ),
    "cars-frozen": Contest(
        photos="cars", work=_FROZEN, rounds=1,
        turns=_peers(["tutorial"], epochs=2) | {OURS: Ours(epochs=25)},
    ),
    "cars-full": Contest(
        photos="cars", work=_FULL, rounds=1,
        turns=_peers(["tutorial"], epochs=2) | {OURS: Ours(epochs=2)},
    ),
    "flowers5-frozen": Contest(
        photos="flowers5", work=_FROZEN,
        turns=_peers(["tutorial"], epochs=2) | {OURS: Ours(epochs=25)},
        rounds=1,
    ),
    "flowers5-full": Contest(
        photos="flowers5", work=_FULL, rounds=1,
        turns=_peers(["tutorial"], epochs=2) | {OURS: Ours(epochs=2)},
    ),
}  # fmt: skip
