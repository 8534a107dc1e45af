"""The one thread that writes: as many writes as are waiting go into one transaction."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ftd.jobs import disk

T = TypeVar("T")

# Writes that may wait for the thread. When it is full, callers wait for room.
CAPACITY = 1024
# Writes in one transaction: a bound on how long the first of them waits for the last.
LARGEST_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Write:
    run: Callable[[Connection], Any]
    done: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    write: _Write
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Runs writes in order. Each has a savepoint of its own: one that fails leaves the others."""

    def __init__(self, engine: Engine, on_commit: Callable[[float], None]) -> None:
        """`on_commit` is told in the event loop how many seconds each transaction took."""
        self._engine = engine
        self._on_commit = on_commit
        self._waiting: SimpleQueue[_Write | None] = SimpleQueue()
        self._room = asyncio.Semaphore(CAPACITY)
        self._is_closed = False
        self._thread = threading.Thread(target=self._loop, name="ftd-store-writer", daemon=True)
        self._thread.start()

    async def run(self, write: Callable[[Connection], T]) -> T:
        """Return what the write returns, after it is committed.

        A caller that is cancelled does not take its write back.

        Raises:
            DiskFull: where the disk takes no more; nothing is written then.
            StoreFailed: where it fails otherwise, or the store is damaged; nor then.
        """
        async with self._room:
            if self._is_closed:
                raise RuntimeError("the store is closed")
            loop = asyncio.get_running_loop()
            done: asyncio.Future[T] = loop.create_future()
            self._waiting.put(_Write(run=write, done=done, loop=loop))
            try:
                return await done
            except DBAPIError as error:
                if (told := disk.told(error.orig)) is None:
                    raise
                raise told from error

    async def close(self) -> None:
        """Commit what is waiting and end the thread."""
        self._is_closed = True
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    def _loop(self) -> None:
        with self._engine.connect() as connection:
            while batch := self._take():
                begin = time.monotonic()
                endings = _commit(connection, batch)
                loop, seconds = batch[0].loop, time.monotonic() - begin
                loop.call_soon_threadsafe(_deliver, endings)
                loop.call_soon_threadsafe(self._on_commit, seconds)

    def _take(self) -> list[_Write]:
        first = self._waiting.get()
        batch = [first] if first else []
        while batch and len(batch) < LARGEST_BATCH:
            try:
                following = self._waiting.get_nowait()
            except Empty:
                break
            if following is None:
                self._waiting.put(None)
                break
            batch.append(following)
        return batch


def _commit(connection: Connection, batch: Sequence[_Write]) -> list[_Ending]:
    endings: list[_Ending] = []
    try:
        with connection.begin():
            endings = [_try(connection, write) for write in batch]
    except Exception as error:  # noqa: BLE001 - every caller gets it: nothing is on disk
        return [_Ending(write=write, error=error) for write in batch]
    return endings


def _try(connection: Connection, write: _Write) -> _Ending:
    savepoint = connection.begin_nested()
    try:
        result = write.run(connection)
    except Exception as error:
        if not _is_in_transaction(connection):
            # SQLite gave the whole transaction up (disk full, I/O error), the others with it.
            raise
        savepoint.rollback()
        return _Ending(write=write, error=error)
    savepoint.commit()
    return _Ending(write=write, result=result)


def _is_in_transaction(connection: Connection) -> bool:
    return bool(getattr(connection.connection.dbapi_connection, "in_transaction", False))


def _deliver(endings: Sequence[_Ending]) -> None:
    for ending in endings:
        done = ending.write.done
        if done.done():
            continue
        if ending.error is not None:
            done.set_exception(ending.error)
        else:
            done.set_result(ending.result)
