"""Images after their groundwork: done once, kept on shelves, for all epochs and for every job that
would do the same.

Whoever makes batches adds for itself, be it the trainer or one of its loader processes. These are
killed when no longer needed, so they have others find what they added whenever an epoch is over
and whenever there is nothing else to do.
"""

import hashlib
import mmap
from collections.abc import Sequence
from time import monotonic
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fttrain.cache.kept import Kept
from fttrain.cache.room import Place
from fttrain.cache.segments import KEY_BYTES, Key, Rows
from fttrain.data import decode
from fttrain.data.augment.picture import Picture, array
from fttrain.data.decode import Pixels
from fttrain.data.ground import Groundwork
from fttrain.data.order import Indices
from fttrain.data.samples import Samples
from fttrain.data.sparing import Sparing

FOLDER = "pictures"
MOST_BYTES = 1_500_000
"""Of a picture. To read a larger one takes as long as to decode its file."""
MOST_SIDE = 64
"""Of pictures that are taken by the batch."""
_UNKNOWN = bytes(KEY_BYTES)
_MOST_HELD = 64 << 20
"""Bytes that are read until pages are let go. They stay in the memory that files share."""
_REST = 20
"""So many times as long as it takes to have others find what was added, it is not done again for
want of other work: on a slow disk, and of many images, it takes a while."""
_PATIENCE = 0.2
"""Seconds until it is looked again for what other processes have added amid an epoch."""


class Album:
    """Some images after their groundwork. Stands for Grounds; forked processes share it."""

    def __init__(self, samples: Samples, sections: dict[str, Kept]) -> None:
        self._samples = samples
        self._sections = sections
        """By the digest of the groundwork."""
        self._mixed: set[str] = set()
        """Groundwork that leaves pictures too large, or of several sizes, to be taken at once."""
        # Anonymous memory that forked processes share: each image is read once to know its key,
        # and what one of them had no room for is known to the trainer.
        memory: NDArray[np.uint8] = np.frombuffer(
            mmap.mmap(-1, max(len(samples), 1) * KEY_BYTES + 1), np.uint8
        )
        self._keys, self._lacks_room = memory[:-1].reshape(-1, KEY_BYTES), memory[-1:]
        self._epoch: int | None = None
        self._looked = monotonic()
        self._read_bytes = 0
        self._settled = self._settling = 0.0

    @classmethod
    def begin(cls, samples: Samples, grounds: Sequence[Groundwork], place: Place) -> Self:
        """Return the album of some images and of all that will be done with them.

        Nothing is read or written before the first image is asked for: so loader processes, which
        are forked from this one, map for themselves what they need.
        """
        here = place.now()
        folders = {ground.digest: place.root / FOLDER / _digest(ground) for ground in grounds}
        return cls(samples, {digest: Kept(folder, here) for digest, folder in folders.items()})

    @property
    def lacks_room(self) -> bool:
        """True if there was no room for some, here or in another process."""
        return bool(self._lacks_room[0])

    def picture(self, index: int, ground: Groundwork) -> Picture:
        """Return an image after its groundwork: from the shelf, or else made now and kept.

        Raises:
            BadImage: where it cannot be read.
        """
        section = self._sections.get(ground.digest)
        if section is None:
            return ground.done(self._samples.picture(index))
        key = self._key(index)
        row = self._find(section, key)
        if row is not None:
            self._note(section, row.nbytes)
            return row
        made = ground.done(self._samples.picture(index))
        if section.is_full:
            self._lacks_room[0] = 1
        else:
            self._add(section, key, index, array(made))
        return made

    def rows(self, indices: Indices, ground: Groundwork) -> Pixels | None:
        """Return images at once where they are small and of one size."""
        if ground.digest in self._mixed or ground.digest not in self._sections:
            return None
        first = array(self.picture(int(indices[0]), ground))
        if max(first.shape[:2]) > MOST_SIDE:
            self._mixed.add(ground.digest)
            return None
        for index in indices[~self._keys[indices].any(axis=1)].tolist():
            self._key(index)
        keys = self._keys[indices].view(f"S{KEY_BYTES}")[:, 0]
        rows = np.empty((len(indices), *first.shape), np.uint8)
        section = self._sections[ground.digest]
        is_there = section.stack(keys, rows)
        self._note(section, rows.nbytes)
        for place in np.flatnonzero(~is_there).tolist():
            pixels = array(self.picture(int(indices[place]), ground))
            if pixels.shape != first.shape:
                self._mixed.add(ground.digest)
                return None
            rows[place] = pixels
        return rows

    def turn(self, epoch: int) -> None:
        """Have others find what was added in the epoch before, and find what they added."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._settle()
            for section in self._sections.values():
                section.turn()
            self._looked = monotonic()

    def settle(self) -> None:
        """Have others find what was added so far, unless that was done a little while ago."""
        if monotonic() > self._settled + _REST * self._settling:
            self._settle()

    def close(self) -> None:
        """Have others find all that was added. May be called again."""
        for section in self._sections.values():
            section.close()

    def _add(self, section: Kept, key: Key, index: int, pixels: Pixels) -> None:
        if pixels.nbytes <= MOST_BYTES and self._is_of(index, key):
            section.add(key, pixels)

    def _find(self, section: Kept, key: Key) -> Rows | None:
        if key == _UNKNOWN:
            return None
        (row,) = section.find([key])
        if row is None and monotonic() - self._looked > _PATIENCE:
            self._look()
            (row,) = section.find([key])
        return row

    def _note(self, section: Kept, size: int) -> None:
        """Keep what is read from counting, in the end, as memory of each process that reads."""
        self._read_bytes += size
        if self._read_bytes > _MOST_HELD:
            section.let_go()
            self._read_bytes = 0

    def _settle(self) -> None:
        begin = monotonic()
        for section in self._sections.values():
            section.settle()
        self._settled = monotonic()
        self._settling = self._settled - begin

    def _look(self) -> None:
        for section in self._sections.values():
            section.look()
        self._looked = monotonic()

    def _key(self, index: int) -> Key:
        """Return what tells an image from every other; zeros where its file is gone."""
        known: Key = self._keys[index].tobytes()
        if known == _UNKNOWN:
            known = self._read(index)
            self._keys[index] = np.frombuffer(known, np.uint8)
        return known

    def _read(self, index: int) -> Key:
        try:
            digest = self._samples.digest(index)
        except OSError:
            return _UNKNOWN
        return hashlib.blake2b(digest, digest_size=KEY_BYTES).digest()

    def _is_of(self, index: int, key: Key) -> bool:
        """Tell whether what was just read of an image is what its key stands for."""
        samples = self._samples
        if key == _UNKNOWN or (isinstance(samples, Sparing) and samples.is_spared(index)):
            return False
        # Its file may have changed since its key was taken.
        return self._read(index) == key


def _digest(ground: Groundwork) -> str:
    """Return a digest of all that decides about pixels, beside the images."""
    whole = f"{ground.digest} {decode.made_by()}"
    return hashlib.sha256(whole.encode()).hexdigest()[:32]
