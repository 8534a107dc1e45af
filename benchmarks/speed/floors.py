"""What nobody could go below on this machine: sums of the probes. Pure.

Decoding is spread over all cores; what is the same every epoch is done once.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.speed.contests import CONTESTS
from benchmarks.speed.figures import Figure
from benchmarks.speed.goals import GOALS

Probes = Mapping[str, float]
"""What benchmarks.speed.probes prints; `cores` among it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The least that ours could take, and what it is made of."""

    value: float
    made_of: str

    def ratio(self, figure: Figure) -> float:
        """Return the ratio that would be reached there."""
        theirs = figure.theirs.median
        return self.value / theirs if figure.goal.is_at_most else theirs / self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sum:
    """Probes, and the images of a row."""

    probes: Probes
    photos: str
    images: int
    count: int
    epochs: int
    batch: int

    @property
    def decode(self) -> float:
        """Decoding one image, all cores at it."""
        return self.probes[f"decode {self.photos}"] / self.probes["cores"]

    def best(self, what: str) -> float:
        """One image, in the better precision."""
        return min(self.probes[f"{what} fp32"], self.probes[f"{what} bf16"])

    @property
    def heads(self) -> float:
        """An epoch of a head alone."""
        return math.ceil(self.images / self.batch) * self.probes["head step"]

    def net(self, name: str) -> float:
        """An epoch in memory: training and evaluation."""
        return self.images * self.best(f"step {name}") + self.count * self.best(f"forward {name}")


def floor(probes: Probes, name: str, figure: Figure) -> Floor | None:
    """Return the floor of a row; None where there is none, or nothing was probed."""
    if name not in ROWS or not probes:
        return None
    made_of, formula = ROWS[name]
    contest = CONTESTS[GOALS[name].contest]
    numbers = _Sum(
        probes=probes, photos=contest.photos, images=figure.images, count=figure.count,
        epochs=contest.work.epochs, batch=contest.work.batch,
    )  # fmt: skip
    return Floor(value=formula(numbers), made_of=made_of)


def _frozen(of: _Sum) -> float:
    once = (of.images + of.count) * (of.decode + of.best("forward full"))
    return once + of.epochs * of.heads


def _flip(of: _Sum) -> float:
    return _frozen(of) + of.images * of.best("forward full")


def _crop(of: _Sum) -> float:
    each = of.decode + of.best("forward full")
    return of.count * each + of.epochs * (of.images * each + of.heads)


def _fp32(of: _Sum) -> float:
    probes = of.probes
    return of.images * probes["step full fp32"] + of.count * probes["forward full fp32"]


_ONCE = "each image decoded and seen by the net once, a head on features"
_IN_MEMORY = "the net on images in memory"
ROWS: Mapping[str, tuple[str, Callable[[_Sum], float]]] = {
    "frozen-cold": (_ONCE, _frozen),
    "frozen-cached": ("a head on features", lambda of: of.epochs * of.heads),
    "frozen-flip": ("each image decoded once and seen twice, a head on features", _flip),
    "frozen-crop": ("each image decoded and seen in every epoch", _crop),
    "full": (_IN_MEMORY, lambda of: of.net("full")),
    "full-tuned": (_IN_MEMORY, lambda of: of.net("full")),
    "full-fp32": (_IN_MEMORY, _fp32),
    "blocks": ("the blocks that train, on features", lambda of: of.net("after 5")),
    "loader": ("bytes in memory gathered and normalised", lambda of: of.probes["gather"]),
    "rn16": (_IN_MEMORY, lambda of: of.net("rn16")),
    "large": ("a head on features", lambda of: of.heads),
    "large-full": (_IN_MEMORY, lambda of: of.net("full")),
    "start": ("one step", lambda of: 8 * of.best("step full")),
    "start-cached": ("one step of a head", lambda of: of.probes["head step"]),
    "memory": ("one process that trains, without images", lambda of: of.probes["memory"]),
    "cars-frozen": (_ONCE, _frozen),
    "cars-full": (_IN_MEMORY, lambda of: of.net("full")),
    "flowers5-frozen": (_ONCE, _frozen),
    "flowers5-full": (_IN_MEMORY, lambda of: of.net("full")),
}
