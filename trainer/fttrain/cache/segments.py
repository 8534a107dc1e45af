"""Segments: arrays by key, in a file; written once, by one writer, never changed.

A segment is NAME.rows, one array after the other, and NAME.index, which says what lies in it. An
index is written whole, aside, and only when its rows are safely on the disk: so whatever is killed
at whichever moment, what an index names is there. Whoever writes holds a lock on the rows.

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
from collections.abc import Callable, Iterator, Sequence
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
ROWS, INDEX = ".rows", ".index"
Key = bytes
Rows = NDArray[Any]
Grant = Callable[[int], int]
"""Returns how many bytes may be added: at least so many as asked for, or 0."""
_FORMAT = 1
_MOST_DIMENSIONS = 4
_ENTRY = np.dtype(
    [("key", f"S{KEY_BYTES}"), ("offset", "<i8"), ("shape", "<i4", (_MOST_DIMENSIONS,))]
)
_ALIGNED = 64
_INDEXED_BYTES = 64 << 20
"""So much may be lost where a writer is killed."""
_WHOLE_BYTES = 1 << 30
"""Segments of this size keep the number of files that are open for a large set in the hundreds."""
_WHOLE_ROWS = 200_000
"""Each time that an index is written, all of it is: 0.3 s for so many."""
_ATTEMPTS = 10


class Full(Exception):
    """There is no room for more: on the disk, or within what the caches may take."""


class Gone(Full):
    """What was added was removed meanwhile; there may be room to begin again."""


@dataclass(slots=True, eq=False)
class Segment:
    """The arrays of a segment, mapped."""

    entries: NDArray[Any]
    """Sorted by key."""
    keys: NDArray[Any]
    """Those of the entries, one after the other: searched in half the time."""
    mapped: mmap.mmap
    rows: NDArray[np.uint8]
    """The same bytes."""
    dtype: np.dtype[Any]
    is_used: bool = False
    """True if an array of it was asked for."""

    @classmethod
    def read(cls, index: Path) -> Self | None:
        """Map a segment; None where it is not whole, or gone by now."""
        try:
            head, _, body = index.read_bytes().partition(b"\n")
            card = json.loads(head)
            if card["format"] != _FORMAT or hashlib.sha256(body).hexdigest() != card["sha256"]:
                return None
            with index.with_suffix(ROWS).open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        except (OSError, ValueError, KeyError):
            return None
        if len(mapped) < card["bytes"]:
            return None
        entries = np.frombuffer(body, _ENTRY)
        keys = np.ascontiguousarray(entries["key"])
        return cls(entries, keys, mapped, np.frombuffer(mapped, np.uint8), np.dtype(card["dtype"]))

    def places(self, keys: NDArray[Any]) -> NDArray[np.int64]:
        """Return where in `entries` each key lies; -1 where it does not."""
        place = self.keys.searchsorted(keys)
        place = np.minimum(place, len(self.keys) - 1)
        return np.where(self.keys[place] == keys, place, -1)

    def array(self, place: int) -> Rows:
        """Return an array, not copied."""
        self.is_used = True
        shape = [size - 1 for size in self.entries["shape"][place].tolist() if size]
        begin = int(self.entries["offset"][place])
        size = math.prod(shape) * self.dtype.itemsize
        return self.rows[begin : begin + size].view(self.dtype).reshape(shape)

    def are_of(self, places: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Tell which arrays are of a shape."""
        sides = np.array(_sides(shape), np.int32)
        alike: NDArray[np.bool_] = (self.entries["shape"][places] == sides).all(axis=1)
        return alike

    def stacked(self, places: NDArray[np.int64], shape: tuple[int, ...]) -> Rows:
        """Return arrays of one shape at once, copied."""
        self.is_used = True
        size = math.prod(shape) * self.dtype.itemsize
        begins = (len(self.rows) - size) // _ALIGNED + 1
        every = as_strided(self.rows, (begins, size), (_ALIGNED, 1), writeable=False)
        chosen = every[self.entries["offset"][places] // _ALIGNED]
        rows: Rows = chosen.view(self.dtype).reshape(len(places), *shape)
        return rows

    def let_go(self) -> None:
        """Have the system count no page of it as memory of this process, until it is read again."""
        self.mapped.madvise(mmap.MADV_DONTNEED)


class Writer:
    """Adds arrays of one type to a segment of its own."""

    def __init__(self, folder: Path, dtype: np.dtype[Any], grant: Grant) -> None:
        """Begin a segment in a folder, which is made where it is missing.

        Raises:
            Full: where it cannot be.
        """
        self._dtype = dtype
        self._grant = grant
        self._left = 0
        """So many bytes may be added before room is asked for again."""
        with _room():
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

    @property
    def is_whole(self) -> bool:
        """True if it is time to begin another segment."""
        return self._end >= _WHOLE_BYTES or len(self._entries) >= _WHOLE_ROWS

    def add(self, key: Key, array: Rows) -> None:
        """Add an array of at most four dimensions.

        Raises:
            Full: where there is no room.
        """
        assert array.ndim <= _MOST_DIMENSIONS
        data = np.ascontiguousarray(array, self._dtype)
        taken = data.nbytes + -data.nbytes % _ALIGNED
        with _room():
            if taken > self._left:
                self._left = self._grant(taken)
            if taken > self._left:
                raise Full("the caches take all that they may")
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
        """Do as a segment."""
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
        with suppress(Full, OSError):
            self.settle()
            os.ftruncate(self._file.fileno(), self._end)
        with suppress(OSError):
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
        with _room():
            if not self._place.exists():
                raise Gone("the segment was removed, to make room")
            os.ftruncate(self._file.fileno(), self._end)
            os.fsync(self._file.fileno())
            rundir.write_aside(self._place.with_suffix(INDEX), self._listed())
        self._indexed = self._end
        self._left = 0  # Others may have taken room meanwhile.

    def _listed(self) -> bytes:
        """Return what an index says."""
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
        return json.dumps(card).encode() + b"\n" + body


@contextmanager
def locked(rows: Path) -> Iterator[bool]:
    """Keep writers from the rows of a segment; False where one writes them, or they are gone."""
    try:
        file = rows.open("rb")
    except OSError:
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def listed(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing where it is just being removed."""
    try:
        return sorted(folder / name for name in os.listdir(folder))  # noqa: PTH208
    except OSError:
        return []


def _sides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape as entries have it: a side of 0 is told from a dimension that is not there."""
    sides = tuple(size + 1 for size in shape)
    return sides + (0,) * (_MOST_DIMENSIONS - len(sides))


def _locked(folder: Path) -> tuple[FileIO, Path]:
    """Make a file for rows, and lock it."""
    for _ in range(_ATTEMPTS):
        place = folder / f"{uuid.uuid4().hex}{ROWS}"
        with suppress(FileNotFoundError, FileExistsError):  # The folder is just being removed.
            folder.mkdir(parents=True, exist_ok=True)
            file = FileIO(place, "x+b")
            fcntl.flock(file, fcntl.LOCK_EX)
            if place.exists():
                return file, place
            file.close()  # Taken for an orphan before it was locked.
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))


def _write(file: FileIO, data: memoryview, place: int) -> None:
    while data:
        written = os.pwrite(file.fileno(), data, place)
        data, place = data[written:], place + written


@contextmanager
def _room() -> Iterator[None]:
    """Have every fault of the disk be a want of room: without what is kept it goes on, too."""
    try:
        yield
    except OSError as error:
        raise Full(f"there is no room: {error.strerror or error}") from error
