"""What one process finds on a shelf, and what it adds to it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fttrain.cache.room import Place
from fttrain.cache.segments import Full, Gone, Key, Rows, Writer
from fttrain.cache.shelf import Shelf


class Kept:
    """Arrays on a shelf, and those that are added to it. No fault of the disk comes through."""

    def __init__(self, folder: Path, place: Place) -> None:
        """Take the folder of a shelf, and the place that says how much room there is."""
        self.is_full = False
        """True if there is no room; no more are added."""
        self.lacks_room = False
        """True if there was none for some."""
        self._folder = folder
        self._place = place
        self._shelf = Shelf(folder)
        self._writer: Writer | None = None
        self._is_stuck = False
        """True if what was added last cannot be found by others, and will not be."""

    def find(self, keys: Sequence[Key]) -> list[Rows | None]:
        """Return the array of each key; None where there is none yet."""
        found = self._shelf.find(keys)
        if self._writer is None:
            return found
        added = self._writer.find(keys)
        return [own if own is not None else row for own, row in zip(added, found, strict=True)]

    def stack(self, keys: NDArray[Any], rows: Rows) -> NDArray[np.bool_]:
        """Copy what others have added, and what was settled, into rows; return what is there."""
        return self._shelf.stack(keys, rows)

    def add(self, key: Key, row: Rows) -> bool:
        """Keep an array; False where it cannot be."""
        try:
            if not self.is_full:
                self._add(key, row)
                return True
        except Gone:
            self._drop()
            return False
        except Full:
            self.is_full = True
            self.settle()  # There may be no other occasion: loader processes are killed.
        self.lacks_room = True
        return False

    def settle(self) -> None:
        """Have others find what was added so far."""
        if self._writer is None or self._is_stuck:
            return
        try:
            self._writer.settle()
        except Gone:
            self._drop()
        except Full:
            self.is_full = self._is_stuck = True

    def look(self) -> None:
        """Find what others have added meanwhile."""
        self._shelf.look()

    def turn(self) -> None:
        """Have others find what was added, find what they added, and have what is used stay."""
        self.settle()
        self._shelf.turn()

    def let_go(self) -> None:
        """Have the system count no page of it as memory of this process, until it is read again."""
        self._shelf.let_go()
        if self._writer is not None:
            self._writer.let_go()

    def close(self) -> None:
        """Have others find what was added. May be called again."""
        if self._writer is not None:
            self._writer.close()

    def _add(self, key: Key, row: Rows) -> None:
        if self._writer is None:
            self._writer = Writer(self._folder, row.dtype, self._place.grant)
        self._writer.add(key, row)
        if self._writer.is_whole:
            self._drop()
            self._shelf.look()

    def _drop(self) -> None:
        """End a segment; the next array begins another."""
        self.close()
        self._writer = None
