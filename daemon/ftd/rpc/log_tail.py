"""The log of a job's attempt: a file, read by byte position."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from ftd.jobs.model import Job
from ftd.rpc.office import Office
from fttrain.spec import longlog
from fttrain.spec.rundir import LOG

PIECE_BYTES = 64 * 1024
# How often a log that is followed is looked at. A poll and not inotify: what a worker prints
# line by line goes out in few pieces so, and a user has only 128 inotify instances.
LOOK_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where to begin: at a byte position, or this many lines before the end."""

    offset: int = 0
    last_lines: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of a log, and the position behind it."""

    data: bytes
    next_offset: int


async def read(office: Office, job: Job, span: Span) -> AsyncGenerator[Piece, None]:
    """Yield what is there. A job that never started has no log."""
    if not job.run_dir:
        return
    path = Path(job.run_dir) / LOG
    async for piece in _pieces(path, await _begin(path, span)):
        yield piece


async def follow(office: Office, job: Job, span: Span) -> AsyncGenerator[Piece, None]:
    """Yield what is there and what comes, until the job has ended.

    Raises:
        ShuttingDown: the daemon stops.
    """
    job = await _started(office, job)
    if not job.run_dir:
        return
    path = Path(job.run_dir) / LOG
    offset = await _begin(path, span)
    end = asyncio.create_task(_ended(office, job), name=f"log-end-{job.id[:8]}")
    try:
        is_over = False
        while not is_over:
            # Asked before the file is read: what was written until the end is read after it.
            is_over = end.done()
            async for piece in _pieces(path, offset):
                offset = piece.next_offset
                yield piece
            await asyncio.wait({end}, timeout=LOOK_S)
        end.result()
    finally:
        end.cancel()
        await asyncio.gather(end, return_exceptions=True)


async def _started(office: Office, job: Job) -> Job:
    """Return the job when it has a run directory, or has ended without one."""
    events = office.broadcast.subscribe(job.id, after_sequence=job.last_sequence)
    async with aclosing(events):
        while not (job.run_dir or job.state.is_terminal):
            await anext(events, None)
            job = await office.store.get(job.id)
    return job


async def _ended(office: Office, job: Job) -> None:
    """Wait until the job has ended, or its next attempt, with a log of its own, has begun."""
    events = office.broadcast.subscribe(job.id, after_sequence=job.last_sequence)
    async with aclosing(events):
        async for event in events:
            if event.attempt > job.attempt:
                return


async def _pieces(path: Path, offset: int) -> AsyncGenerator[Piece, None]:
    while (piece := await asyncio.to_thread(_read, path, offset)).data:
        offset = piece.next_offset
        yield piece


async def _begin(path: Path, span: Span) -> int:
    if not span.last_lines:
        return span.offset
    return await asyncio.to_thread(_before_the_end, path, span.last_lines)


def _read(path: Path, offset: int) -> Piece:
    try:
        with path.open("rb", buffering=0) as file:
            # Not every position that can be asked for can be sought.
            begin, end = longlog.span(file.fileno(), min(offset, file.seek(0, 2)))
            file.seek(begin)
            data = file.read(min(PIECE_BYTES, end - begin))
            return Piece(data=data, next_offset=begin + len(data))
    except FileNotFoundError:
        return Piece(data=b"", next_offset=offset)


def _before_the_end(path: Path, lines: int) -> int:
    """Return the position of the n-th last line; a last one without its end is a line too."""
    try:
        with path.open("rb") as file:
            position = file.seek(0, 2)
            first = longlog.data_begin(file.fileno(), position)
            # The newline that ends the last line begins none.
            wanted, end = lines, max(position - 1, 0)
            while end > first:
                begin = max(end - PIECE_BYTES, first)
                file.seek(begin)
                block = file.read(end - begin)
                if block.count(b"\n") >= wanted:
                    return begin + _nth_last(block, wanted) + 1
                wanted -= block.count(b"\n")
                end = begin
            return first
    except FileNotFoundError:
        return 0


def _nth_last(block: bytes, count: int) -> int:
    position = len(block)
    for _ in range(count):
        position = block.rfind(b"\n", 0, position)
    return position
