"""Batches of images in a stated order, made here or by loader processes, bit for bit the same."""

import contextlib
import signal
import threading
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from fttrain.data.decode import BadImage, Pixels
from fttrain.data.order import Indices
from fttrain.data.samples import Samples
from fttrain.data.view import View

Task = tuple[int, Indices]
"""An epoch and the indices of one batch."""

_AHEAD = 2  # Batches per loader process that wait to be used.


class LoaderDied(Exception):
    """A loader process ended before its work did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some images and what they show."""

    epoch: int
    indices: Indices
    images: Tensor
    """Bytes, (N, C, H, W)."""
    labels: Tensor
    """(N,), int64."""


class Stream:
    """A source of batches. Loader processes start with the first run and end with `close`."""

    def __init__(self, samples: Samples, view: View, workers: int) -> None:
        self._samples = samples
        self._making = _Making(samples, view)
        self._workers = workers
        self._tasks = _Tasks()
        self._loader: DataLoader[Any] | None = None
        self._results: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def run(self, plan: Iterable[Task]) -> Iterator[Batch]:
        """Yield the batches of a plan, in its order. One run at a time.

        Loader processes set to work at once, before the first batch is asked for.

        Raises:
            BadImage: where an image cannot be read, when its batch is due.
            LoaderDied: where a loader process was ended by something else.
        """
        if self._workers == 0:
            return (self._batch(task, self._making[task]) for task in plan)
        self._set_to_work(plan)
        return self._collected()

    def close(self) -> None:
        """End the loader processes. May be called again."""
        results, self._results, self._loader = self._results, None, None
        if results is not None:
            # Dropping the last reference would do the same, but tracebacks hold references.
            results._shutdown_workers()

    def _set_to_work(self, plan: Iterable[Task]) -> None:
        self._tasks.begin(plan)
        with warnings.catch_warnings(), _own_child_handler():
            # How many processes there are is the plan's decision; torch would second-guess it.
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            if self._loader is None:
                self._loader = self._start()
            self._results = iter(self._loader)

    def _collected(self) -> Iterator[Batch]:
        is_done = False
        try:
            while (made := self._next()) is not None:
                yield self._batch(self._tasks.handed_out.popleft(), made)
            is_done = True
        finally:
            if not is_done:  # What is under way belongs to nobody: begin anew next time.
                self.close()

    def _next(self) -> "Pixels | BadImage | None":
        try:
            made: Pixels | BadImage | None = next(self._results, None)
        except RuntimeError as error:
            raise LoaderDied(
                f"a loader process ended by itself ({str(error).rstrip('. ')}); "
                "if memory ran out, state fewer of them as data.workers"
            ) from error
        return made

    def _start(self) -> DataLoader[Any]:
        return DataLoader(
            self._making,
            sampler=self._tasks,
            batch_size=None,
            num_workers=self._workers,
            collate_fn=_as_it_is,
            worker_init_fn=_prepare_process,
            multiprocessing_context="fork",
            persistent_workers=True,
            prefetch_factor=_AHEAD,
            # Its own: else starting processes would move the global generator.
            generator=torch.Generator(),
        )

    def _batch(self, task: Task, made: "Pixels | BadImage") -> Batch:
        if isinstance(made, BadImage):
            raise made
        epoch, indices = task
        return Batch(
            epoch=epoch,
            indices=indices,
            images=torch.from_numpy(made),
            labels=torch.from_numpy(self._samples.labels[indices]),
        )


class _Making(torch.utils.data.Dataset["Pixels | BadImage"]):
    """Makes one batch. Runs in loader processes, where no operator of torch may: after a fork
    the first parallel one would hang. Arrays go back through a pipe, not through /dev/shm, which
    containers keep too small."""

    def __init__(self, samples: Samples, view: View) -> None:
        self._samples = samples
        self._view = view

    def __getitem__(self, task: Task) -> "Pixels | BadImage":
        epoch, indices = task
        try:
            return self._stack([int(index) for index in indices], epoch)
        except BadImage as error:
            return error  # Raised where it is due; torch would raise a RuntimeError.

    def _stack(self, indices: list[int], epoch: int) -> Pixels:
        batch: Pixels | None = None
        for position, index in enumerate(indices):
            pixels = self._view.pixels(self._samples.picture(index), epoch=epoch, index=index)
            height, width, channels = pixels.shape
            if batch is None:
                batch = np.empty((len(indices), channels, height, width), np.uint8)
            if (channels, height, width) != batch.shape[1:]:
                raise BadImage(Path(self._samples.name(index)), _odd_size(pixels, batch))
            batch[position] = pixels.transpose(2, 0, 1)
        assert batch is not None, "a batch has images"
        return batch


def _odd_size(pixels: Pixels, batch: Pixels) -> str:
    height, width = pixels.shape[:2]
    return (
        f"is {width} x {height}, others of its batch {batch.shape[3]} x {batch.shape[2]}; "
        "say data.preprocess.crop"
    )


class _Tasks(torch.utils.data.Sampler[Task]):
    """The plan that is under way; remembers what was handed out and has not come back."""

    def __init__(self) -> None:
        self.handed_out: deque[Task] = deque()
        self._plan: Iterable[Task] = ()

    def begin(self, plan: Iterable[Task]) -> None:
        """Take up another plan."""
        self._plan = plan
        self.handed_out.clear()

    def __iter__(self) -> Iterator[Task]:
        for task in self._plan:
            self.handed_out.append(task)
            yield task


@contextlib.contextmanager
def _own_child_handler() -> Iterator[None]:
    """Keep torch from handling SIGCHLD: it would raise amid whatever the trainer just does.

    A dead loader process is found where a batch is waited for, within 5 seconds.
    """
    before = signal.getsignal(signal.SIGCHLD)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, before)


def _as_it_is(made: Any) -> Any:
    return made


def _prepare_process(worker: int) -> None:
    """Let the trainer alone decide when a loader process ends, whatever it handles itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
