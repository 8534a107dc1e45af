"""What a job has made, read from its files."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ftd.errors import ArtifactNotFound
from ftd.jobs.lasting import in_thread
from ftd.jobs.model import Job

PIECE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that a job has made."""

    kind: str
    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of a file."""

    data: bytes
    size_bytes: int
    """Of the whole file."""
    sha256: str = ""
    """Of the whole file, in the last piece."""


def files(job: Job) -> Iterator[File]:
    """Yield what a job has made and what is still there, in the order in which it was made."""
    for artifact in job.artifacts:
        path = Path(artifact["path"])
        try:
            size = path.stat().st_size
        except OSError:  # somebody took it away
            continue
        yield File(kind=artifact["what"], path=path, size_bytes=size)


async def read(job: Job, kind: str, offset: int) -> AsyncGenerator[Piece, None]:
    """Yield the pieces of a file from a byte position on; at least one.

    Raises:
        ArtifactNotFound: saying what there is.
    """
    path = await asyncio.to_thread(_find, job, kind)
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except OSError:
        raise _missing(job, kind, [each.kind for each in files(job)]) from None
    # Reads are waited for: `close` would do that on the event loop, and hold up all calls.
    with file:  # it stays this one, also where a new checkpoint takes its place
        size = await in_thread(file.seek, 0, 2)
        digest = hashlib.sha256()
        await in_thread(_skip, file, min(offset, size), digest)
        while True:
            data = await in_thread(file.read, PIECE_BYTES)
            await asyncio.to_thread(digest.update, data)
            is_last = len(data) < PIECE_BYTES
            yield Piece(data=data, size_bytes=size, sha256=digest.hexdigest() if is_last else "")
            if is_last:
                return


def _find(job: Job, kind: str) -> Path:
    there = {file.kind: file.path for file in files(job)}
    if kind not in there:
        raise _missing(job, kind, list(there))
    return there[kind]


def _missing(job: Job, kind: str, there: list[str]) -> ArtifactNotFound:
    has = f"it has {', '.join(there)}" if there else "it has made none yet"
    if not there and job.state.is_terminal:
        has = f"it ended {job.state.value.upper()} before it made one"
    return ArtifactNotFound(f"job {job.name} has no artifact `{kind}`; {has}")


def _skip(file: BinaryIO, count: int, digest: "hashlib._Hash") -> None:
    """Go on to a position: what lies before it counts for the digest."""
    file.seek(0)
    while count > 0 and (data := file.read(min(count, PIECE_BYTES))):
        digest.update(data)
        count -= len(data)
