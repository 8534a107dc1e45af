"""Writing the journal: one write per record, never waiting for a reader."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from fttrain import events
from fttrain.loop import Step
from fttrain.score import Tally

_INTERVAL_S = 0.5  # Between two records of steps.
_BEAT_S = 5.0  # Between two signs of life.
Clock = Callable[[], float]
T = TypeVar("T")


class Journal:
    """A journal that is being written."""

    def __init__(self, path: Path, header: events.Header) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        # The daemon may have made the file, to watch it. Records are another attempt's.
        if os.fstat(self._file).st_size > 0:
            os.close(self._file)
            raise FileExistsError(f"{path} holds the records of a run already")
        self.write(header)

    def write(self, record: events.Record) -> None:
        """Append a record, whole or not at all.

        Raises:
            OSError: where the disk is full, or fails.
        """
        self._written_at = time.monotonic()
        begin = os.fstat(self._file).st_size
        left = memoryview(events.encode(record, time=time.time()))
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            # Half a record would spoil the next one, which may still find room.
            os.ftruncate(self._file, begin)
            raise

    def beat(self) -> None:
        """Say that the worker gets on, where nothing was told for a while."""
        if time.monotonic() - self._written_at >= _BEAT_S:
            self.write(events.Alive())

    def close(self) -> None:
        """Bring it to the disk and close it."""
        os.fsync(self._file)
        os.close(self._file)


class StepLog:
    """Gathers the steps of an epoch into at most two records per second.

    The first step of a run is written at once.
    """

    def __init__(
        self, journal: Journal, *, epochs: int, steps: int, clock: Clock = time.monotonic
    ) -> None:
        self._journal = journal
        self._epochs = epochs
        self._steps = steps
        self._clock = clock
        self._written_at = float("-inf")
        self._waiting: list[Step] = []
        self.images = 0
        """Trained on since the run began."""
        self.data_wait_s = self._data_wait_told_s = 0.0
        """In which the run has waited for images."""
        self.begin(epoch=0)

    def go_on(self, *, images: int, data_wait_s: float) -> None:
        """Count on from where an earlier attempt was."""
        self.images = images
        self.data_wait_s = self._data_wait_told_s = data_wait_s

    def begin(self, *, epoch: int, before: int = 0, tally: Tally | None = None) -> None:
        """Turn to an epoch; so many steps came before the first of its run.

        `tally` is what it has come to already; None: nothing.
        """
        self._epoch = epoch
        self._before = before
        self._since = self._clock()
        self.tally = tally if tally is not None else Tally()
        """Over the epoch so far."""

    def timed(self, batches: Iterable[T]) -> Iterator[T]:
        """Yield the batches, and count the time until each is there as waiting for data."""
        begun = self._clock()
        for batch in batches:
            self.data_wait_s += self._clock() - begun
            yield batch
            begun = self._clock()

    def add(self, step: Step) -> None:
        """Take a finished step."""
        self._waiting.append(step)
        self.tally.add(loss_sum=step.loss * step.images, correct=step.correct, count=step.images)
        if self._clock() - self._written_at >= _INTERVAL_S:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        now = self._clock()
        interval_s = max(now - self._since, 1e-9)
        images = sum(step.images for step in self._waiting)
        self.images += images
        self._journal.write(
            events.Steps(
                epoch=self._epoch,
                epochs=self._epochs,
                first=self._before + self._waiting[0].step + 1,
                steps=self._steps,
                lrs=[step.lrs for step in self._waiting],
                losses=[step.loss for step in self._waiting],
                mean_loss=self.tally.loss,
                images=self.images,
                images_per_second=images / interval_s,
                data_wait_s=self.data_wait_s,
                data_wait_ratio=min((self.data_wait_s - self._data_wait_told_s) / interval_s, 1.0),
            )
        )
        self._waiting = []
        self._written_at = self._since = now
        self._data_wait_told_s = self.data_wait_s
