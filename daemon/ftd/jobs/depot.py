"""The data sets that users push: taken in, made, shown, and removed when nobody needs them.

All that touches files runs in threads of its own, so that nothing else waits for a slow disk.
"""

import asyncio
import contextlib
import itertools
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import structlog

from ftd.datasets import arrivals, paths
from ftd.datasets.arrivals import Piece
from ftd.datasets.blobs import Blobs
from ftd.datasets.filelist import Entry, FileList, Summary
from ftd.datasets.pushes import Push, Pushes
from ftd.datasets.versions import Versions
from ftd.errors import DiskFull, InvalidDataset
from ftd.jobs import disk, lasting
from ftd.jobs.callers import Caller
from ftd.jobs.disk import RESERVE_BYTES
from ftd.jobs.sharing import Shared
from ftd.jobs.store.datasets import Dataset, Datasets
from fttrain.spec import rundir
from fttrain.spec.faults import Fault

T = TypeVar("T")
log = structlog.get_logger()

LIMIT_BYTES = 2**40
AGAIN_S = 3600.0
"""What nobody needs any more is looked for at least this often."""
THREADS = 4
MOST_TOLD = 1000
"""Missing files in one reply."""
_MIB = 2**20
_FULL = (
    "the daemon's disk is full; what has arrived stays: remove data sets or jobs there, and push "
    "again"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Files of a push whose content has not arrived, each with how many bytes of it have."""

    push_id: str
    files: Sequence[tuple[int, int]]


class Depot:
    """The folder of data sets."""

    def __init__(
        self,
        folder: Path,
        records: Datasets,
        *,
        limit_bytes: int = LIMIT_BYTES,
        free_bytes: Callable[[Path], int] = disk.free_bytes,
    ) -> None:
        """`limit_bytes` is the most that one data set may have."""
        self.versions = folder / "versions"
        self._folder = folder
        self._records = records
        self.limit_bytes = limit_bytes
        self.free_bytes = free_bytes
        self._blobs = Blobs(folder / "blobs")
        self._pushes = Pushes(folder / "pushes", rundir.boot_id())
        self._made = Versions(self.versions, self._blobs)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ftd-datasets")
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        # What is made and has no name yet must not be swept.
        self._files = Shared()
        self._is_littered = asyncio.Event()

    async def begin(
        self, parts: AsyncIterator[Sequence[Entry]], *, name: str, caller: Caller
    ) -> AsyncGenerator[Missing, None]:
        """Begin a push with the parts of its list, or go on with it; yield what is missing.

        Raises:
            InvalidDataset: with all faults of the list. Nothing is written then.
            DiskFull: where the disk has no room for it.
        """
        async with self._open(self._pushes.incoming()) as (place, files):
            async for part in parts:
                await self._run(self._list, files, part)
            async with self._files.used():
                # In two steps: of a list that was cut off gRPC says first that it ended, and
                # right after that its caller is gone. Half a list must be no push.
                summary = await self._run(self._seal, files, name, caller.user)
                push_id = self._pushes.id_of(caller.user, name, summary)
                await self._exclusively(
                    push_id, self._pushes.adopt, place, caller.user, name, summary
                )
        async with self._opened(push_id, caller.user) as push:
            found = arrivals.missing(push, self._blobs)
            told = False
            while batch := await self._exclusively(push_id, lambda: _some(found)):
                told = True
                yield Missing(push_id=push_id, files=batch)
            if not told:
                yield Missing(push_id=push_id, files=())

    async def receive(self, push_id: str, pieces: AsyncIterator[Piece], *, caller: Caller) -> int:
        """Take pieces in until there are no more; return how many bytes came.

        Raises:
            PushNotFound, InvalidRequest, DigestMismatch, DiskFull
        """
        received = 0
        async with self._opened(push_id, caller.user) as push:
            async for piece in pieces:
                await self._exclusively(push_id, self._append, push, piece)
                received += len(piece.data)
        return received

    async def finish(self, push_id: str, *, caller: Caller) -> Dataset:
        """Make the data set of a push that has all of its files.

        Raises:
            PushNotFound, PushIncomplete, DiskFull
        """
        lock = self._lock(push_id)
        async with lock, self._files.used():
            if done := await self._run(self._pushes.done, push_id, caller.user):
                return _dataset(done)
            async with self._open(self._pushes.opened(push_id, caller.user)) as push:
                folders_json = await self._run(self._make, push)
                made = await self._records.put(_named(push), folders_json)
                await self._run(self._pushes.conclude, push, _told(made))
        log.info("dataset_pushed", name=made.name, user=made.user, digest=made.digest)
        self._is_littered.set()
        return made

    async def delete(self, ref: str, *, caller: Caller) -> None:
        """Forget a data set; its files go soon after.

        Raises:
            DatasetNotFound, DatasetInUse
        """
        await lasting.whole(asyncio.create_task(self._delete(ref, caller)))

    async def _delete(self, ref: str, caller: Caller) -> None:
        gone = await self._records.delete(ref, caller)
        self._is_littered.set()
        log.info("dataset_deleted", name=gone.name, user=gone.user, by=caller.user)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False)

    async def sweep(self) -> None:
        """Remove what nobody needs: old pushes, data sets without name or job, contents of none."""
        async with self._files.alone():
            kept = await self._records.kept()
            versions, freed = await self._run(self._sweep, kept)
        if versions or freed:
            log.info("datasets_swept", versions=versions, bytes=freed)

    async def sweep_for_ever(self) -> None:
        """Sweep now, and again whenever there may be something to remove."""
        while True:
            await self.sweep()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await self._is_littered.wait()
            self._is_littered.clear()

    # --- in threads -----------------------------------------------------------------------

    def _list(self, files: FileList, part: Sequence[Entry]) -> None:
        self._refuse_where_full()
        files.add(part)

    def _append(self, push: Push, piece: Piece) -> None:
        self._refuse_where_full()
        arrivals.append(push, self._blobs, piece)

    def _refuse_where_full(self) -> None:
        # Each time: there was room for each of several pushes, and not for all of them.
        if not self._spare_bytes():
            raise DiskFull(_FULL)

    def _spare_bytes(self) -> int:
        return max(self.free_bytes(self._folder) - RESERVE_BYTES, 0)

    def _seal(self, files: FileList, name: str, user: str) -> Summary:
        summary = files.seal(self.limit_bytes)
        self._refuse_too_large(files, summary, name, user)
        return summary

    def _refuse_too_large(self, files: FileList, summary: Summary, name: str, user: str) -> None:
        push_id = self._pushes.id_of(user, name, summary)
        needed = 0
        for number, entry in files.contents():
            size = self._blobs.size(user, entry.sha256)
            if size not in (None, entry.size_bytes):
                shown, there = paths.shown(entry.path), f"has {size} bytes, not {entry.size_bytes}"
                what = f"{shown}: what has its SHA-256 {there}; read it again"
                raise InvalidDataset([Fault(field=f"files[{number}].size_bytes", description=what)])
            if size is None:
                needed += entry.size_bytes - self._pushes.arrived_bytes(push_id, entry.sha256)
        free = self._spare_bytes()
        if needed > free:
            raise DiskFull(
                f"the push needs {_size(needed)}, of which the daemon's disk has {_size(free)} to "
                "give; remove data sets or jobs there, or push less"
            )

    def _make(self, push: Push) -> str:
        arrivals.refuse_incomplete(push, self._blobs)
        self._made.make(push)
        return push.files.folders_json()

    def _sweep(self, kept: set[str]) -> tuple[int, int]:
        self._pushes.sweep()
        versions = self._made.sweep(kept)
        with contextlib.ExitStack() as stack:
            live = [stack.enter_context(each) for each in self._pushes.live()]
            freed = self._blobs.sweep(lambda sha256: any(push.files.holds(sha256) for push in live))
        return versions, freed

    # --- between the loop and the threads -------------------------------------------------

    def _lock(self, push_id: str) -> asyncio.Lock:
        return self._locks.setdefault(push_id, asyncio.Lock())

    async def _exclusively(self, push_id: str, work: Callable[..., T], *arguments: object) -> T:
        lock = self._lock(push_id)
        async with lock:
            try:
                return await self._run(work, *arguments)
            except (FileNotFoundError, sqlite3.Error):
                # Somebody else who makes the same push may have concluded it meanwhile.
                await self._run(self._pushes.refuse_gone, push_id)
                raise

    @contextlib.asynccontextmanager
    async def _opened(self, push_id: str, user: str) -> AsyncIterator[Push]:
        """Have a push open inside the block; it is opened while nobody else changes it."""
        stack = contextlib.ExitStack()
        opened = self._pushes.opened(push_id, user)
        try:
            yield await self._exclusively(push_id, stack.enter_context, opened)
        finally:
            await self._run(stack.close)

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        """Do a piece of work in a thread. A caller that is cancelled waits for its end too:

        what he holds must not be given to others while the work goes on, nor be closed.
        """
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, work, *arguments)
        try:
            return await lasting.whole(future)
        except (OSError, sqlite3.Error) as error:
            if not disk.is_full(error):
                raise
            raise DiskFull(_FULL) from error

    @contextlib.asynccontextmanager
    async def _open(self, manager: AbstractContextManager[T]) -> AsyncIterator[T]:
        """Enter and leave a context in a thread."""
        stack = contextlib.ExitStack()
        try:
            yield await self._run(stack.enter_context, manager)
        finally:
            await self._run(stack.close)


def _size(count: int) -> str:
    if count < _MIB:
        return f"{count:,} bytes"
    return f"{count / _MIB:.1f} MiB" if count < 1024 * _MIB else f"{count / _MIB / 1024:.1f} GiB"


def _some(found: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    return list(itertools.islice(found, MOST_TOLD))


def _named(push: Push) -> Dataset:
    card = push.card
    return Dataset(
        name=card.name, user=card.user, digest=card.digest, files=card.files,
        size_bytes=card.size_bytes, create_time=datetime.now(UTC),
    )  # fmt: skip


def _told(dataset: Dataset) -> dict[str, Any]:
    return {**asdict(dataset), "create_time": dataset.create_time.isoformat()}


def _dataset(told: dict[str, Any]) -> Dataset:
    return Dataset(**{**told, "create_time": datetime.fromisoformat(told["create_time"])})
