"""How fast a net is on this processor: its passes, timed in kinds of numbers and layouts.

What counts is the processor time of one thread: it hardly grows where others want the cores.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from resource import RUSAGE_THREAD, getrusage
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

from fttrain import generator, process
from fttrain.models.zoo import Net
from fttrain.precision import LAYOUTS, Precision
from fttrain.spec.plan import LayoutName, TrialCard, TriedPrecision

FORWARD_FLOPS, STEP_FLOPS = 2e9, 6e9
"""About a fifteenth and a sixth of a second: so much is passed at once, but never less than two
images. What bf16 gains depends on how many there are: weights are cast but once for all."""
_ROUNDS = 2
_MOST_TURNS, _FEW_PAGES = 4, 16
T = TypeVar("T")
Kind = tuple[TriedPrecision, LayoutName]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A net with values, and how it will be trained."""

    net: Net
    prefix: int
    """So many blocks run ahead."""
    trained: frozenset[str]
    """The names of the parameters that train."""
    staying: tuple[nn.Module, ...]
    """BatchNorm layers whose statistics stay."""
    batch: tuple[int, int, int, int]
    """The shape of what a training step sees, (N, C, H, W)."""
    chunk: tuple[int, int, int, int]
    """The shape of what an evaluation sees at once."""
    is_plain: bool
    """True if steps take fp32 in any case."""


@contextmanager
def alone() -> Iterator[None]:
    """Compute with one thread, with memory handled as in training; leave torch's generator."""
    process.keep_freed_memory()
    with process.one_thread(), generator.seeded(0):
        yield


def forward_s(subject: Subject, layout: LayoutName) -> float | None:
    """Return the seconds of a forward pass of two images in fp32; None where it fails."""
    trial = _Trial(subject=subject, precision="fp32", layout=layout)
    images = trial.laid_out((2, *subject.chunk[1:]))
    try:
        return settled(lambda: _timed(lambda: trial.judge(images)))[0]
    except RuntimeError:
        return None


def compare(subject: Subject, kinds: Sequence[Kind]) -> list[TrialCard]:
    """Time a net in each kind of numbers and layout, in turns; the least of each phase counts.

    A kind that torch cannot compute this net in is left out; where that is the first, all are.
    """
    trials = [_Trial(subject=subject, precision=each, layout=layout) for each, layout in kinds]
    for _ in range(_ROUNDS):
        for trial in trials:
            trial.run()
    if not trials[0].is_possible:
        return []
    return [trial.card() for trial in trials if trial.is_possible]


@dataclass(slots=True, kw_only=True)
class _Trial:
    subject: Subject
    precision: TriedPrecision
    layout: LayoutName
    is_possible: bool = True
    spent: list[tuple[float, float, float]] = field(default_factory=list)

    def run(self) -> None:
        """Time each phase once."""
        if not self.is_possible:
            return
        try:
            self.spent.append(settled(self._phases))
        except RuntimeError:
            # bf16 has no kernel for one of its operators, or memory runs out. Where fp32 fails,
            # too, the job will say why.
            self.is_possible = False

    def card(self) -> TrialCard:
        """Return the least of each phase, by image."""
        ahead, step, rest = map(min, zip(*self.spent, strict=True))
        batch, chunk = self.subject.batch[0], self.subject.chunk[0]
        return TrialCard(
            precision=self.precision,
            layout=self.layout,
            ahead_s=ahead / chunk,
            step_s=step / batch,
            rest_s=rest / chunk,
        )

    def _phases(self) -> tuple[float, float, float]:
        subject, prefix = self.subject, self.subject.prefix
        ahead_s, seen = 0.0, self.laid_out(subject.chunk)
        if prefix:
            images = seen
            ahead_s, seen = _timed(lambda: self.judge(images, last=prefix))
        rest_s, _ = _timed(lambda: self.judge(seen, first=prefix))
        if prefix == 0 or subject.batch[1:] != subject.chunk[1:]:
            batch = self.judge(self.laid_out(subject.batch), last=prefix)
        else:
            batch = seen[torch.arange(subject.batch[0]) % len(seen)]
        return ahead_s, self._step_s(batch), rest_s

    def laid_out(self, shape: tuple[int, ...]) -> Tensor:
        """Lay out the net; return images of that layout."""
        layout = LAYOUTS[self.layout]
        self.subject.net.module.to(memory_format=layout)
        return torch.rand(shape).contiguous(memory_format=layout)

    def judge(self, seen: Tensor, *, first: int = 0, last: int | None = None) -> Tensor:
        """Run blocks as an evaluation does."""
        net = self.subject.net
        net.module.eval()
        with torch.no_grad(), Precision(self.precision).cast():
            for block in net.blocks[first:last]:
                seen = block.run(seen)
        return seen

    def _step_s(self, seen: Tensor) -> float:
        subject = self.subject
        chosen = []
        for name, parameter in subject.net.module.named_parameters():
            parameter.requires_grad_(name in subject.trained)
            chosen += [parameter] if parameter.requires_grad else []
        subject.net.module.train()
        for norm in subject.staying:
            norm.eval()
        # A rate of 0: what is timed trains nothing.
        optimizer = SGD(chosen, lr=0.0, foreach=True)
        try:
            return _timed(lambda: self._step(seen, optimizer))[0]
        finally:
            optimizer.zero_grad()

    def _step(self, seen: Tensor, optimizer: SGD) -> None:
        is_plain = self.subject.is_plain
        seen = seen.float() if is_plain else seen
        with nullcontext() if is_plain else Precision(self.precision).stepping():
            for block in self.subject.net.blocks[self.subject.prefix :]:
                seen = block.run(seen)
        labels = torch.zeros(len(seen), dtype=torch.int64)
        F.cross_entropy(seen.float(), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def settled(once: Callable[[], T]) -> T:
    """Return what a call returns once it finds its memory: fresh pages take longer than passes."""
    for _ in range(_MOST_TURNS):
        before = getrusage(RUSAGE_THREAD).ru_minflt
        made = once()
        if getrusage(RUSAGE_THREAD).ru_minflt - before <= _FEW_PAGES:
            break
    return made


def _timed(once: Callable[[], T]) -> tuple[float, T]:
    """Return the processor time of a call on this thread, and what it returns."""
    begun = time.thread_time()
    made = once()
    return time.thread_time() - begun, made
