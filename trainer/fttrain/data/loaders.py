"""Processes that make batches ahead.

Not torch's DataLoader: that one reports a killed process from a signal handler, amid whatever
the trainer just does, needs room in /dev/shm, which containers keep small, and starts threads.
Here a batch is made in anonymous memory of its own, whose descriptor goes to the trainer, so
nothing is copied; and as each process has a connection of its own, its end is seen at once.

The processes are forked, and no operator of torch may run in them: after a fork the first
parallel one hangs.
"""

import contextlib
import gc
import itertools
import math
import mmap
import multiprocessing
import os
import signal
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from fttrain.data.decode import BadImage, Pixels

Task = TypeVar("Task")
Room = Callable[[tuple[int, ...]], Pixels]
"""Gives an array of a shape."""

_IDLE = 0.1  # Seconds without a task.
_AHEAD = 2  # Batches per process that are being made or wait to be used.


def _rest() -> None:
    """Do nothing."""


class LoaderDied(Exception):
    """A loader process ended before its work did."""

    def __init__(self, message: str, *, signal: int | None = None) -> None:
        super().__init__(message)
        self.signal = signal
        """What ended it; None: it ended by itself."""


class Loaders(Generic[Task]):
    """Loader processes: started by `begin` or the first run, ended by `close`."""

    def __init__(
        self, make: Callable[[Task, Room], Pixels], count: int, idle: Callable[[], None] = _rest
    ) -> None:
        """Take what makes a batch, and what a process does when it has nothing to make."""
        self._make = make
        self._count = count
        self._idle = idle
        self._loaders: list[_Loader[Task]] = []
        self._under_way: deque[tuple[Task, _Loader[Task]]] = deque()

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Tensor]]:
        """Set the processes to work, and yield each task with what was made of it, in order.

        Raises:
            BadImage: where an image cannot be read, when its batch is due.
            LoaderDied: where a process was ended by something else.
        """
        if self._under_way:  # Of a run that was given up: it belongs to nobody.
            self.close()
        self._under_way = deque()
        self.begin()
        rest = iter(tasks)
        turns = itertools.islice(itertools.cycle(self._loaders), _AHEAD * self._count)
        for loader, task in zip(turns, rest, strict=False):
            self._hand_out(task, loader)
        return self._collect(rest, self._under_way)

    def begin(self) -> None:
        """Start the processes that are not there yet."""
        while len(self._loaders) < self._count:
            self._loaders.append(_Loader(self._make, self._idle))

    def close(self) -> None:
        """End the processes at once. May be called again."""
        loaders, self._loaders = self._loaders, []
        self._under_way = deque()
        for loader in loaders:
            loader.kill()

    def _collect(
        self, rest: Iterator[Task], under_way: deque[tuple[Task, "_Loader[Task]"]]
    ) -> Iterator[tuple[Task, Tensor]]:
        try:
            while under_way:
                if under_way is not self._under_way:
                    raise RuntimeError("this run was given up when another began")
                task, loader = under_way[0]
                made = loader.receive()
                under_way.popleft()
                for another in itertools.islice(rest, 1):
                    self._hand_out(another, loader)
                yield task, made
        finally:
            if under_way and under_way is self._under_way:
                self.close()

    def _hand_out(self, task: Task, loader: "_Loader[Task]") -> None:
        self._under_way.append((task, loader))
        loader.send(task)


class _Loader(Generic[Task]):
    """One process, seen from the trainer."""

    def __init__(self, make: Callable[[Task, Room], Pixels], idle: Callable[[], None]) -> None:
        context = multiprocessing.get_context("fork")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(make, idle, theirs, self._connection), name="loader", daemon=True
        )
        with _fit_to_fork():
            self._process.start()
        theirs.close()  # Else the end of the process would not end the connection.

    def send(self, task: Task) -> None:
        """Hand out a task."""
        try:
            self._connection.send(task)
        except OSError:
            raise self._died() from None

    def receive(self) -> Tensor:
        """Wait for the next batch."""
        try:
            made: tuple[int, ...] | BadImage | MemoryError = self._connection.recv()
            if isinstance(made, Exception):
                raise made
            return _mapped(recv_handle(self._connection), made)
        except (EOFError, OSError):
            raise self._died() from None

    def kill(self) -> None:
        """End the process, whatever it does: it has nothing to tidy."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _died(self) -> LoaderDied:
        self._process.join()
        code = self._process.exitcode or 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        remedy = "see the log" if code > 0 else "if memory ran out, state fewer as data.workers"
        told = f"a loader process ended before its work did ({how}); {remedy}"
        return LoaderDied(told, signal=-code if code < 0 else None)


@contextlib.contextmanager
def _fit_to_fork() -> Iterator[None]:
    """Block SIGINT, which the process inherits: whoever interrupts, the trainer ends it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of the threads that torch's operators started here.
            warnings.filterwarnings("ignore", "This process .* is multi-threaded")
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _mapped(handle: int, shape: tuple[int, ...]) -> Tensor:
    try:
        # Unlike Python's own mmap, torch keeps no descriptor open beside the memory.
        place, size = f"/proc/self/fd/{handle}", math.prod(shape)
        return torch.from_file(place, shared=True, size=size, dtype=torch.uint8).view(shape)
    finally:
        os.close(handle)


# --- in the process ---------------------------------------------------------------------------


def _serve(
    make: Callable[[Task, Room], Pixels],
    idle: Callable[[], None],
    connection: Connection,
    trainers: Connection,
) -> None:
    """Make a batch of each task, until the trainer is gone."""
    gc.freeze()  # Else Python, in search of garbage, copies what is shared with the trainer.
    trainers.close()  # Inherited; while it is open here, the trainer's end would not be seen.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Whatever the trainer does of it.
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            while not connection.poll(_IDLE):
                idle()
            _answer(make, connection.recv(), connection)


def _answer(make: Callable[[Task, Room], Pixels], task: Task, connection: Connection) -> None:
    with contextlib.ExitStack() as stack:
        handles: list[int] = []

        def room(shape: tuple[int, ...]) -> Pixels:
            handle = os.memfd_create("batch")
            stack.callback(os.close, handle)
            handles.append(handle)
            os.ftruncate(handle, math.prod(shape))
            return np.ndarray(shape, np.uint8, mmap.mmap(handle, math.prod(shape)))

        try:
            made = make(task, room)
        except (BadImage, MemoryError) as error:
            connection.send(error)
        else:
            connection.send(made.shape)
            send_handle(connection, handles[-1], None)
