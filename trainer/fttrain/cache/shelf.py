"""A shelf: arrays by key, in files that jobs share; written once, never changed.

A shelf is a folder. Whoever adds to it has a segment of its own: NAME.rows, one array after the
other, and NAME.index, which says what lies in it. An index is written whole, aside, and only when
its rows are safely on the disk: so whatever is killed at whichever moment, what an index names is
there. Rows that no index names belong to a writer that lives, who holds a lock on them, or are
removed.

Files are mapped, so all jobs share one copy in memory; a file that is removed stays with those
who have mapped it.
"""

import errno
import fcntl
import hashlib
import json
import math
import mmap
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from fttrain.spec import rundir

KEY_BYTES = 16
Key = bytes
Rows = NDArray[Any]
_FORMAT = 1
_MOST_DIMENSIONS = 4
_ENTRY = np.dtype(
    [("key", f"S{KEY_BYTES}"), ("offset", "<i8"), ("shape", "<i4", (_MOST_DIMENSIONS,))]
)
_ALIGNED = 64
_BLOCK = 512
"""What `stat` counts in."""
_INDEXED_BYTES = 64 << 20
"""So much may be lost where a writer is killed."""


class Full(Exception):
    """There is no room for more: on the disk, or within what the caches may take."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The arrays that one writer has added, mapped."""

    entries: NDArray[Any]
    """Sorted by key."""
    keys: NDArray[Any]
    """Those of the entries, one after the other: searched in half the time."""
    rows: NDArray[np.uint8]
    dtype: np.dtype[Any]

    @classmethod
    def read(cls, index: Path) -> Self | None:
        """Map a segment; None where it is not whole, or gone by now."""
        try:
            head, _, body = index.read_bytes().partition(b"\n")
            card = json.loads(head)
            if card["format"] != _FORMAT or hashlib.sha256(body).hexdigest() != card["sha256"]:
                return None
            # A plain array: parts of a memmap are memmaps, which take five times as long to make.
            rows = np.asarray(np.memmap(index.with_suffix(".rows"), np.uint8, "r"))
        except (OSError, ValueError, KeyError):
            return None
        if len(rows) < card["bytes"]:
            return None
        entries = np.frombuffer(body, _ENTRY)
        keys = np.ascontiguousarray(entries["key"])
        return cls(entries, keys, rows, np.dtype(card["dtype"]))

    def places(self, keys: NDArray[Any]) -> NDArray[np.int64]:
        """Return where in `entries` each key lies; -1 where it does not."""
        place = self.keys.searchsorted(keys)
        place = np.minimum(place, len(self.keys) - 1)
        return np.where(self.keys[place] == keys, place, -1)

    def array(self, place: int) -> Rows:
        """Return an array, not copied."""
        shape = [size - 1 for size in self.entries["shape"][place].tolist() if size]
        begin = int(self.entries["offset"][place])
        size = math.prod(shape) * self.dtype.itemsize
        return self.rows[begin : begin + size].view(self.dtype).reshape(shape)

    def stacked(self, places: NDArray[np.int64], shape: tuple[int, ...]) -> Rows:
        """Return arrays of one shape at once, copied."""
        size = math.prod(shape) * self.dtype.itemsize
        begins = (len(self.rows) - size) // _ALIGNED + 1
        every = as_strided(np.asarray(self.rows), (begins, size), (_ALIGNED, 1), writeable=False)
        chosen = every[self.entries["offset"][places] // _ALIGNED]
        rows: Rows = chosen.view(self.dtype).reshape(len(places), *shape)
        return rows


class Shelf:
    """What lies on a shelf, as it was when this was made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._touch()
        _remove_orphans(folder)
        found = (Segment.read(index) for index in sorted(folder.glob("*.index")))
        self._segments = [segment for segment in found if segment is not None]

    def find(self, keys: Sequence[Key]) -> list[Rows | None]:
        """Return the array of each key, not copied; None where there is none."""
        wanted = np.array(keys, dtype=f"S{KEY_BYTES}")
        found: list[Rows | None] = [None] * len(keys)
        for segment in self._segments:
            for number, place in enumerate(segment.places(wanted).tolist()):
                if place >= 0 and found[number] is None:
                    found[number] = segment.array(place)
        return found

    def stack(self, keys: NDArray[Any], rows: Rows) -> NDArray[np.bool_]:
        """Copy arrays of one shape into rows; return which are there, (N,).

        Args:
            keys: (N,), of KEY_BYTES bytes each.
            rows: (N, *shape), written to.
        """
        is_there = np.zeros(len(keys), bool)
        sides = np.array(_sides(rows.shape[1:]), np.int32)
        for segment in self._segments:
            places = segment.places(keys)
            fits = (segment.entries["shape"][places] == sides).all(axis=1)
            new = (places >= 0) & fits & ~is_there & (segment.dtype == rows.dtype)
            if new.any():
                rows[new] = segment.stacked(places[new], rows.shape[1:])
                is_there |= new
        return is_there

    def let_go(self) -> None:
        """Have the system count no page of it as memory of this process, until it is read again."""
        for segment in self._segments:
            if isinstance(segment.rows.base, mmap.mmap):
                segment.rows.base.madvise(mmap.MADV_DONTNEED)

    def writer(self, dtype: np.dtype[Any], *, most_bytes: int) -> "Writer":
        """Return what adds arrays of a type. Shelves that are made later find what it added."""
        return Writer(self.folder, dtype, most_bytes)

    @staticmethod
    def stamp(folder: Path) -> list[tuple[str, int]]:
        """Return what is another thing once somebody has added to a shelf."""
        found: list[tuple[str, int]] = []
        for index in sorted(folder.glob("*.index")):
            with suppress(FileNotFoundError):
                found.append((index.name, index.stat().st_mtime_ns))
        return found

    def _touch(self) -> None:
        """Note that it is used now: what was not for longest goes first."""
        os.utime(self.folder)


class Writer:
    """Adds arrays of one type to a shelf."""

    def __init__(self, folder: Path, dtype: np.dtype[Any], most_bytes: int) -> None:
        self._dtype = dtype
        self._left = most_bytes
        self._file, self._place = _locked(folder)
        self._entries: dict[Key, tuple[int, tuple[int, ...]]] = {}
        self._map: mmap.mmap | None = None
        self._end = 0
        """Of what was added, in bytes."""
        self._indexed = 0
        """Of what the index names."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, key: Key, array: Rows) -> None:
        """Add an array of at most four dimensions.

        Raises:
            Full: where there is no room.
        """
        assert array.ndim <= _MOST_DIMENSIONS
        data = np.ascontiguousarray(array, self._dtype)
        taken = data.nbytes + -data.nbytes % _ALIGNED
        if taken > self._left:
            raise Full("the caches take all that they may")
        with _room():
            _write(self._file, data.reshape(-1).view(np.uint8).data, self._end)
        self._entries[key] = self._end, array.shape
        self._end += taken
        self._left -= taken
        if self._end - self._indexed >= _INDEXED_BYTES:
            self._index()

    def find(self, keys: Sequence[Key]) -> list[Rows | None]:
        """Return those of the arrays that were added here, not copied."""
        return [self._array(*self._entries[key]) if key in self._entries else None for key in keys]

    def let_go(self) -> None:
        """Do as a shelf's."""
        if self._map is not None:
            self._map.madvise(mmap.MADV_DONTNEED)

    def settle(self) -> None:
        """Have what was added so far be found.

        Raises:
            Full: where there is no room.
        """
        if not self._file.closed and self._end > self._indexed:
            self._index()

    def close(self) -> None:
        """Have what was added be found. May be called again."""
        if self._file.closed:
            return
        with suppress(Full):
            self.settle()
        if not self._indexed:
            self._place.unlink(missing_ok=True)
        self._file.close()

    def _array(self, begin: int, shape: tuple[int, ...]) -> Rows:
        size = math.prod(shape) * self._dtype.itemsize
        if size == 0:
            return np.empty(shape, self._dtype)
        if self._map is None or begin + size > len(self._map):
            # Ahead of its end: so it is not mapped anew for each array.
            with suppress(OSError):  # Files may have a largest size.
                os.ftruncate(self._file.fileno(), 2 * self._end)
            self._map = mmap.mmap(self._file.fileno(), 0, prot=mmap.PROT_READ)
        return np.ndarray(shape, self._dtype, self._map, begin)

    def _index(self) -> None:
        if not self._place.exists():
            raise Full("the shelf was removed, to make room")
        with _room():
            os.ftruncate(self._file.fileno(), self._end)
            os.fsync(self._file.fileno())
            listed = [(key, begin, _sides(shape)) for key, (begin, shape) in self._entries.items()]
            entries = np.array(listed, _ENTRY)
            entries.sort(order="key")
            body = entries.tobytes()
            card = {
                "format": _FORMAT,
                "dtype": self._dtype.str,
                "bytes": self._end,
                "sha256": hashlib.sha256(body).hexdigest(),
            }
            content = json.dumps(card).encode() + b"\n" + body
            rundir.write_aside(self._place.with_suffix(".index"), content)
        self._indexed = self._end


def _sides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape as entries have it: a side of 0 is told from a dimension that is not there."""
    sides = tuple(size + 1 for size in shape)
    return sides + (0,) * (_MOST_DIMENSIONS - len(sides))


def make_room(root: Path, *, most_bytes: int, keep: Path, wanted: int = 0) -> int:
    """Remove the shelves that were not used for longest until all take at most so many bytes, and
    one of them can grow to what is wanted of it.

    That one is kept, whatever it takes. Returns the bytes that are left for it to grow.
    """
    shelves = {folder: _size(folder) for folder in _by_age(root)}
    taken, lacking = sum(shelves.values()), max(wanted - shelves.get(keep, 0), 0)
    for folder, size in shelves.items():
        if taken + lacking <= most_bytes:
            break
        if folder != keep:
            _remove(folder)
            taken -= size
    return max(most_bytes - taken, 0)


def _by_age(root: Path) -> list[Path]:
    """Return the shelves beneath a folder, the one that was not used for longest first."""
    stamped: list[tuple[int, Path]] = []
    for folder in root.glob("*/*/"):
        with suppress(FileNotFoundError):
            stamped.append((folder.stat().st_mtime_ns, folder))
    return [folder for _, folder in sorted(stamped)]


def _size(folder: Path) -> int:
    sizes: list[int] = []
    for file in folder.glob("*"):
        with suppress(FileNotFoundError):
            status = file.stat()
            # Of a writer's file the end is a hole: it maps it ahead.
            sizes.append(min(status.st_size, status.st_blocks * _BLOCK))
    return sum(sizes)


def _remove(folder: Path) -> None:
    """Remove a shelf, indices first: nobody may find what is half gone."""
    for pattern in ("*.index", "*"):
        for file in folder.glob(pattern):
            file.unlink(missing_ok=True)
    with suppress(OSError):  # Somebody has begun to add to it again.
        folder.rmdir()


def _remove_orphans(folder: Path) -> None:
    """Remove rows that no index names and nobody writes any more."""
    for rows in folder.glob("*.rows"):
        if rows.with_suffix(".index").exists():
            continue
        with suppress(OSError), rows.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            rows.unlink(missing_ok=True)


def _locked(folder: Path) -> tuple[FileIO, Path]:
    """Make a file for rows, and lock it."""
    while True:
        place = folder / f"{uuid.uuid4().hex}.rows"
        folder.mkdir(parents=True, exist_ok=True)  # Whoever made room may have removed it.
        file = FileIO(place, "x+b")
        fcntl.flock(file, fcntl.LOCK_EX)
        if place.exists():
            return file, place
        file.close()  # Taken for an orphan before it was locked.


def _write(file: FileIO, data: memoryview, place: int) -> None:
    while data:
        written = os.pwrite(file.fileno(), data, place)
        data, place = data[written:], place + written


@contextmanager
def _room() -> Iterator[None]:
    """Tell the want of room from other faults of the disk."""
    try:
        yield
    except OSError as error:
        # The last: the shelf itself was removed, to make room.
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOENT):
            raise
        raise Full(f"there is no room: {error.strerror}") from error
