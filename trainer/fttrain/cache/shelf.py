"""A shelf: a folder of segments, to which any number of writers add, and which jobs share."""

import itertools
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fttrain.cache import segments
from fttrain.cache.segments import INDEX, KEY_BYTES, Key, Rows, Segment

_MOST_SEGMENTS = 400
"""That are mapped, each of which takes a descriptor; a process may have 1024."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A segment, as it was when its index was read."""

    index_bytes: int
    """An index is only written anew to name more."""
    segment: Segment | None
    """None where it is not whole."""


class Shelf:
    """What lies on a shelf, as it was when it was looked at last; first when it is first asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[Path, _Seen] | None = None
        """By the path of the index."""

    def find(self, keys: Sequence[Key]) -> list[Rows | None]:
        """Return the array of each key, not copied; None where there is none."""
        wanted = np.array(keys, dtype=f"S{KEY_BYTES}")
        found: list[Rows | None] = [None] * len(keys)
        lacking = np.arange(len(keys))
        for segment in self._segments:
            if not len(lacking):
                break
            places = segment.places(wanted[lacking])
            for number, place in zip(lacking.tolist(), places.tolist(), strict=True):
                if place >= 0:
                    found[number] = segment.array(place)
            lacking = lacking[places < 0]
        return found

    def stack(self, keys: NDArray[Any], rows: Rows) -> NDArray[np.bool_]:
        """Copy arrays of one shape into rows; return which are there, (N,).

        Args:
            keys: (N,), of KEY_BYTES bytes each.
            rows: (N, *shape), written to.
        """
        is_there = np.zeros(len(keys), bool)
        shape = rows.shape[1:]
        for segment in self._segments:
            if is_there.all():
                break
            places = segment.places(keys)
            fits = segment.are_of(places, shape) & (segment.dtype == rows.dtype)
            new = (places >= 0) & fits & ~is_there
            if new.any():
                rows[new] = segment.stacked(places[new], shape)
                is_there |= new
        return is_there

    def look(self) -> None:
        """Find what was added meanwhile. What was removed stays mapped."""
        before, there = self._seen or {}, _indices(self._folder)
        gone = (index for index in before if index not in there)
        self._seen = {
            index: before[index] for index in itertools.islice(gone, _MOST_SEGMENTS - len(there))
        }
        for index, size in there.items():
            known = before.get(index)
            if known is None or known.index_bytes != size:
                known = _Seen(size, Segment.read(index))
            self._seen[index] = known

    def turn(self) -> None:
        """Note on the disk what was used since the last turn, let go of what was removed and is not
        used, and look for what was added."""
        if self._seen is None:
            return
        there = {*segments.listed(self._folder)}
        for index, each in list(self._seen.items()):
            if each.segment is not None and each.segment.is_used:
                each.segment.is_used = False
                with suppress(OSError):  # Its mapping is enough for whoever uses it.
                    os.utime(index)
            elif index not in there:
                del self._seen[index]
        self.look()

    def let_go(self) -> None:
        """Have the system count no page of it as memory of this process, until it is read again."""
        for segment in self._segments:
            segment.let_go()

    @property
    def _segments(self) -> list[Segment]:
        if self._seen is None:
            self.look()
        return [each.segment for each in (self._seen or {}).values() if each.segment is not None]


def _indices(folder: Path) -> dict[Path, int]:
    """Return the indices that are there with their sizes in bytes: of many, those used last."""
    found: list[tuple[int, Path, int]] = []
    for index in segments.listed(folder):
        if index.suffix != INDEX:
            continue
        with suppress(OSError):
            status = index.stat()
            found.append((status.st_mtime_ns, index, status.st_size))
    return {index: size for _, index, size in sorted(found)[-_MOST_SEGMENTS:]}
