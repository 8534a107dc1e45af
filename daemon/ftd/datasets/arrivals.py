"""What of a push has arrived, and what arrives."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ftd.datasets import paths
from ftd.datasets.blobs import Blobs
from ftd.datasets.filelist import Entry
from ftd.datasets.pushes import Push
from ftd.errors import DigestMismatch, InvalidRequest, PushIncomplete

MOST_PIECE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of a file that arrives."""

    number: int
    """The file's place in the list."""
    offset: int
    data: bytes


def append(push: Push, blobs: Blobs, piece: Piece) -> None:
    """Write a piece behind what is there. What is there already of it is passed over.

    So two who push the same at a time help each other.

    Raises:
        InvalidRequest: for a piece that is of no file, or leaves a gap.
        DigestMismatch: where the file proves to be another; what was there of it is removed.
    """
    entry = _announced(push, piece)
    if _is_whole(push, blobs, entry):
        return
    part = push.part(entry.sha256)
    there = _size(part)
    if piece.offset > there:
        raise InvalidRequest(
            f"offset: a piece of {_named(piece, entry)} begins at byte {piece.offset}, {there} "
            "bytes are there; begin the push again and send what is missing then"
        )
    if piece.offset + len(piece.data) > entry.size_bytes:
        part.unlink(missing_ok=True)
        raise _mismatch(entry, f"with more than the {entry.size_bytes:,} bytes announced")
    with part.open("ab") as file:
        file.write(piece.data[there - piece.offset :])
        size = file.tell()
    os.utime(push.folder)
    if size == entry.size_bytes:
        _complete(push, entry, part)


def missing(push: Push, blobs: Blobs) -> Iterator[tuple[int, int]]:
    """Yield the place of each file whose content is not whole here, and how much of it is."""
    for number, entry in push.files.contents():
        if _is_whole(push, blobs, entry):
            continue
        there = _size(push.part(entry.sha256))
        if there != entry.size_bytes or not _completes(push, entry):
            yield number, there if there < entry.size_bytes else 0


def refuse_incomplete(push: Push, blobs: Blobs) -> None:
    """Let only a push go on of which all has arrived.

    Raises:
        PushIncomplete: naming the first file that is missing.
    """
    lacking = [number for number, _ in missing(push, blobs)]
    if not lacking:
        return
    first = push.files.entry(lacking[0])
    assert first is not None, "it is of this list"
    have = "has" if len(lacking) == 1 else "have"
    raise PushIncomplete(
        f"{len(lacking)} of {push.card.files} files {have} not arrived, the first is "
        f"{paths.shown(first.path)}; begin the push again and send what is missing"
    )


def _is_whole(push: Push, blobs: Blobs, entry: Entry) -> bool:
    if push.arrived(entry.sha256).exists():
        return True
    return blobs.size(push.card.user, entry.sha256) is not None


def _completes(push: Push, entry: Entry) -> bool:
    """Take a content whose daemon ended right before it looked at it; tell whether it is right."""
    part = push.part(entry.sha256)
    with contextlib.suppress(DigestMismatch):
        if part.exists():  # an empty one that has not arrived has its size too
            _complete(push, entry, part)
    return push.arrived(entry.sha256).exists()


def _announced(push: Push, piece: Piece) -> Entry:
    entry = push.files.entry(piece.number)
    if entry is None:
        raise InvalidRequest(
            f"index: {piece.number} is none of the {push.card.files} files of this push"
        )
    if piece.offset < 0:
        raise InvalidRequest(f"offset: {piece.offset} is negative")
    if len(piece.data) > MOST_PIECE_BYTES:
        text = f"data: a piece of {len(piece.data)} bytes; at most {MOST_PIECE_BYTES}"
        raise InvalidRequest(text)
    if not piece.data and entry.size_bytes:
        raise InvalidRequest(f"data: a piece of {_named(piece, entry)} is empty; the file is not")
    return entry


def _complete(push: Push, entry: Entry, part: Path) -> None:
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").digest()
    if found != entry.sha256:
        part.unlink()
        raise _mismatch(entry, "with another SHA-256 than was announced")
    part.chmod(0o400)
    part.rename(push.arrived(entry.sha256))


def _mismatch(entry: Entry, how: str) -> DigestMismatch:
    return DigestMismatch(
        f"{paths.shown(entry.path)} arrived {how}; it changed meanwhile, or on the way: push again"
    )


def _named(piece: Piece, entry: Entry) -> str:
    return f"file {piece.number} ({paths.shown(entry.path)})"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
