"""What the frozen prefix of a net makes of images: made once, kept on a shelf, used by all epochs
and by every job that would make the same.

The prefix always runs on chunks of one shape, in which a row depends neither on its place nor on
its neighbours; that is tried before anything is kept. So a row from the shelf is, bit for bit, the
row that would be made now.
"""

import hashlib
import itertools
import json
import sys
import uuid
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import TracebackType
from typing import Self

import numpy as np
import torch
from torch import Tensor

from fttrain import loop
from fttrain.cache import hands, prefixes
from fttrain.cache.kept import Kept
from fttrain.cache.room import Place
from fttrain.cache.segments import KEY_BYTES, Key, Rows
from fttrain.data.samples import Samples
from fttrain.data.sparing import Sparing
from fttrain.data.stream import Batch, Stream, Task
from fttrain.data.ways import Ways
from fttrain.loop import Training
from fttrain.spec.plan import Plan

FOLDER = "features"
_SOON = 4
"""So many epochs ahead it is looked for the next way in which an image is seen."""
Pair = tuple[int, int]
"""An image, by index, and a way of seeing it, by number."""
Watched = Callable[[Iterator[Batch]], Iterator[Batch]]
"""Yields batches as they are, and may do something besides."""
# numpy knows no bfloat16.
_KEPT_AS = {torch.bfloat16: torch.int16}
_MEANT_BY = {np.dtype(np.int16): torch.bfloat16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """The frozen prefix of a net, and what is kept of it. A context: it ends what it has begun."""

    training: Training
    workers: int
    at_once: int
    """So many chunks are made at once, each by one thread; 1: one after the other, by all."""
    kept: Kept
    stack: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def begin(
        cls,
        training: Training,
        plan: Plan,
        place: Place,
        *,
        shapes: Collection[Sequence[int]],
    ) -> Self | None:
        """Return it; None where what it makes of an image depends on where in a chunk it lies.

        Args:
            training: of which the prefix is taken.
            plan: of the run.
            place: where to keep what it makes.
            shapes: of the images, each (C, H, W).
        """
        folder = place.root / FOLDER / prefixes.digest(training, plan)
        kept = Kept(folder, place.now())
        at_once = min(prefixes.at_once(training, shape, folder) for shape in shapes)
        if at_once == 0:
            return None
        return cls(training=training, workers=plan.loader_workers, at_once=at_once, kept=kept)

    def __enter__(self) -> Self:
        self.stack.callback(self.kept.close)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stack.close()

    def features(
        self, samples: Samples, ways: Ways, watched: Watched, *, until: int = 0
    ) -> "Features":
        """Return the features of some images.

        Args:
            samples: the images.
            ways: in which they are seen.
            watched: sees the images that are read for them.
            until: the last of the epochs that see all of them. While an image is decoded, it is
                passed in the next other way, too, in which it will be seen until then.
        """
        return Features(self, samples, ways, watched, until)


class Features:
    """The features of some images, in the ways in which they are seen. Stands for a Stream."""

    def __init__(
        self, passing: Passing, samples: Samples, ways: Ways, watched: Watched, until: int
    ) -> None:
        self._passing = passing
        self._samples = samples
        self._ways = ways
        self._watched = watched
        self._until = until
        # Where all is kept, no loader process of it is begun.
        workers = passing.workers if passing.at_once == 1 else 0
        self._stream = passing.stack.enter_context(Stream(samples, ways, workers))
        self._seen_as = json.dumps(ways.card, sort_keys=True).encode()
        self._digests: list[bytes | None] = [None] * len(samples)
        self._keys: list[Key | None] = [None] * len(samples)
        """Of images that are seen in one way alone."""
        self._known: set[Pair] = set()
        """Pairs that are kept, or will be."""
        self._on_way: set[Pair] = set()
        """Pairs that are to be made ahead."""
        self._early: set[Pair] = set()
        """Of these the ones that no task wants so far, as far as tasks were looked through."""
        self._epoch: int | None = None
        self._scanned = 0
        """So many tasks of the run were looked through for what is to be made."""
        self._passed: dict[Pair, Rows] = {}
        """What is made, and not kept."""

    def run(self, plan: Iterable[Task]) -> Iterator[Batch]:
        """Yield the batches of a plan: features in the place of images."""
        tasks, ahead = itertools.tee(plan)
        making = self._making(ahead)
        self._scanned = 0
        for number, task in enumerate(tasks):
            self._turn(task.epoch)
            pairs = self._pairs(task)
            rows = self._find(pairs)
            while lacking := [pair for pair, row in zip(pairs, rows, strict=True) if row is None]:
                if number >= self._scanned or not self._on_way.isdisjoint(lacking):
                    next(making, None)  # At its end, what was removed since is made by itself.
                else:
                    self._make(lacking)
                rows = self._find(pairs)
            for pair in pairs:
                self._passed.pop(pair, None)
            if not number < self._scanned < sys.maxsize:
                # Nobody looks further ahead: what lies there must not pile up.
                next(ahead, None)
                self._scanned = min(self._scanned + 1, sys.maxsize)
            if self._scanned == sys.maxsize and not self._on_way:
                making.close()
            yield self._batch(task, np.stack([row for row in rows if row is not None]))

    def _turn(self, epoch: int) -> None:
        if epoch != self._epoch:
            self._epoch = epoch
            self._passing.kept.turn()

    def _pairs(self, task: Task) -> list[Pair]:
        repeats = task.repeats.tolist() if task.repeats is not None else itertools.repeat(0)
        return [
            (index, self._ways.number(epoch=task.epoch, index=index, repeat=repeat))
            for index, repeat in zip(task.indices.tolist(), repeats, strict=False)
        ]

    def _find(self, pairs: Sequence[Pair]) -> list[Rows | None]:
        kept = self._passing.kept.find([self._key(pair) for pair in pairs])
        return [
            row if row is not None else self._passed.get(pair)
            for pair, row in zip(pairs, kept, strict=True)
        ]

    def _batch(self, task: Task, rows: Rows) -> Batch:
        return Batch(
            epoch=task.epoch,
            indices=task.indices,
            images=_meant(rows),
            labels=torch.from_numpy(self._samples.labels[task.indices]),
            depth=self._passing.training.prefix,
        )

    def _key(self, pair: Pair) -> Key:
        index = pair[0]
        if (known := self._keys[index]) is not None:
            return known
        digest = self._digests[index]
        if digest is None:
            digest = self._digests[index] = self._digest(index)
        key = self._named(digest, pair)
        if self._ways.count == 1:
            self._keys[index] = key
            self._digests[index] = None  # Which is not needed again.
        return key

    def _digest(self, index: int) -> bytes:
        try:
            return self._samples.digest(index)
        except OSError:  # Who reads it will say so; until then it is like no other.
            return uuid.uuid4().bytes

    def _named(self, digest: bytes, pair: Pair) -> Key:
        """Return the key of an image of a digest, seen in a way."""
        index, number = pair
        name = self._ways.name(number=number, index=index)
        return hashlib.blake2b(digest + self._seen_as + name, digest_size=KEY_BYTES).digest()

    # --- making -------------------------------------------------------------------------------

    def _making(self, tasks: Iterable[Task]) -> Generator[None]:
        """Make features, chunk by chunk, in the order in which tasks will want them."""
        chunks = self._chunks(tasks)
        for first in itertools.islice(chunks, 1):
            numbers: list[Task] = []
            chosen = _noting(itertools.chain([first], chunks), numbers)
            try:
                for batch in self._watched(self._run(chosen)):
                    self._take(numbers.pop(0), batch)
                    yield
            finally:
                self._stream.close()

    def _run(self, chunks: Iterable[Task]) -> Iterator[Batch]:
        if self._passing.at_once == 1:
            return map(self._pass, self._stream.run(chunks))
        return hands.together(self._read_and_pass, chunks, self._passing.at_once)

    def _read_and_pass(self, chunk: Task) -> Batch:
        return self._pass(next(self._stream.run([chunk])))

    def _pass(self, batch: Batch) -> Batch:
        """Return what the prefix makes of a chunk of images."""
        training = self._passing.training
        passed = loop.passed(training, batch.images)
        return replace(batch, images=passed, depth=training.prefix)

    def _make(self, pairs: Sequence[Pair]) -> None:
        """Make features again that could not be kept, and are wanted now."""
        size = self._passing.training.chunk
        chunks = [_chunk(pairs[begin : begin + size]) for begin in range(0, len(pairs), size)]
        stream = Stream(self._samples, self._ways, 0)
        made = self._watched(map(self._pass, stream.run(chunks)))
        for task, batch in zip(chunks, made, strict=True):
            self._take(task, batch)

    def _chunks(self, tasks: Iterable[Task]) -> Iterator[Task]:
        """Yield what is to be made at once: of each image the way stands as its repeat."""
        missing: list[Pair] = []
        size, most = self._passing.training.chunk, len(self._samples) * self._ways.count
        for task in tasks:
            missing += self._missing(task)
            while len(missing) >= size:
                yield _chunk(missing[:size])
                missing = missing[size:]
            if len(self._known) == most:
                self._scanned = sys.maxsize
                break
        if missing:
            yield _chunk(missing)

    def _missing(self, task: Task) -> list[Pair]:
        """Return what has to be made for a task, and is not on the way."""
        self._scanned += 1
        pairs = dict.fromkeys(self._pairs(task))
        self._early.difference_update(pairs)
        new = [pair for pair in pairs if pair not in self._known]
        self._known.update(new)
        missing = []
        for pair in self._lacking(new):
            # Side by side: it is decoded once for both.
            early = self._lacking(self._next(pair[0], task.epoch))
            self._known.update(early)
            self._early.update(early)
            missing += [pair, *early]
        self._on_way.update(missing)
        return missing

    def _lacking(self, pairs: Sequence[Pair]) -> list[Pair]:
        rows = self._find(pairs)
        return [pair for pair, row in zip(pairs, rows, strict=True) if row is None]

    def _next(self, index: int, epoch: int) -> list[Pair]:
        """Return the next way in which an image will be seen that is not known so far, if any."""
        if self._ways.count == 1 or self._passing.kept.is_full:
            return []
        epochs = range(epoch + 1, min(epoch + _SOON, self._until) + 1)
        seen = ((index, self._ways.number(epoch=at, index=index, repeat=0)) for at in epochs)
        return [*itertools.islice((pair for pair in seen if pair not in self._known), 1)]

    def _take(self, task: Task, batch: Batch) -> None:
        assert task.repeats is not None
        rows = _kept(batch.images)
        digest = lru_cache(1)(self._digest)  # The ways of an image stand side by side.
        pairs = zip(task.indices.tolist(), task.repeats.tolist(), strict=True)
        for pair, row in zip(pairs, rows, strict=True):
            is_early = pair in self._early
            self._early.discard(pair)
            self._on_way.discard(pair)
            if not self._is_own(pair, digest(pair[0])) or not self._passing.kept.add(
                self._key(pair), row
            ):
                self._known.discard(pair)
                if not is_early:  # It would lie in memory until who knows when.
                    self._passed[pair] = row

    def _is_own(self, pair: Pair, digest: bytes) -> bool:
        """Tell whether what was just made of a file is of the image that its key stands for."""
        index, samples = pair[0], self._samples
        if isinstance(samples, Sparing) and samples.is_spared(index):
            return False  # Another image stood in its place.
        # Its file may have changed since its key was taken.
        return self._named(digest, pair) == self._key(pair)


def _noting(tasks: Iterable[Task], notes: list[Task]) -> Iterator[Task]:
    for task in tasks:
        notes.append(task)
        yield task


def _chunk(pairs: Sequence[Pair]) -> Task:
    indices, numbers = np.array(pairs, np.int64).T
    return Task(0, indices, numbers)


def _kept(features: Tensor) -> Rows:
    """Return features as they lie in memory: those with channels last have one side more."""
    here = features.cpu()
    if here.ndim == 4 and here.stride(1) < here.stride(3):
        here = here.permute(0, 2, 3, 1)[:, None]
    here = here.contiguous()
    kept: Rows = here.view(_KEPT_AS.get(here.dtype, here.dtype)).numpy()
    return kept


def _meant(rows: Rows) -> Tensor:
    """Return the features that rows hold, in memory as they were: what follows depends on it."""
    kept = torch.from_numpy(rows)
    features = kept.view(_MEANT_BY.get(rows.dtype, kept.dtype))
    return features.squeeze(1).permute(0, 3, 1, 2) if features.ndim == 5 else features
