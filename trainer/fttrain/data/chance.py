"""Chance as a pure function: the same key gives the same numbers, in any process, in any order.

Nothing here reads or moves a global generator. What is drawn does not depend on the releases of
numpy either: only raw words are taken from it, whose stream it keeps stable.
"""

import hashlib
import struct

import numpy as np
from numpy.typing import NDArray

_WORDS = 8  # What one 64-byte digest yields.


class Draws:
    """An endless row of numbers that belongs to a key of whole numbers from 0 to 2**64 - 1."""

    def __init__(self, *key: int) -> None:
        self._key = struct.pack(f"<{len(key)}Q", *key)
        self._block = 0
        self._words: list[int] = []

    def _word(self) -> int:
        if not self._words:
            text = self._key + struct.pack("<Q", self._block)
            digest = hashlib.blake2b(text, digest_size=8 * _WORDS).digest()
            self._words = list(reversed(struct.unpack(f"<{_WORDS}Q", digest)))
            self._block += 1
        return self._words.pop()

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return the next number, evenly from low (included) to high."""
        return low + (high - low) * ((self._word() >> 11) * 2.0**-53)

    def below(self, limit: int) -> int:
        """Return the next whole number, evenly from 0 to limit - 1."""
        return self._word() * limit >> 64


def words(count: int, *, seed: int, part: int, purpose: int) -> NDArray[np.uint64]:
    """Return `count` random words of 64 bits that belong to (seed, part, purpose)."""
    bits = np.random.Philox(key=np.array([seed, part], np.uint64), counter=purpose << 192)
    return bits.random_raw(count).astype(np.uint64, copy=False)


def normals(count: int, *, seed: int, part: int, purpose: int) -> NDArray[np.float64]:
    """Return `count` numbers of the standard normal distribution, by Box and Muller."""
    even = count + count % 2
    uniform = (words(even, seed=seed, part=part, purpose=purpose) >> np.uint64(11)) * 2.0**-53
    radius = np.sqrt(-2.0 * np.log1p(-uniform[0::2]))
    angle = 2.0 * np.pi * uniform[1::2]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return pairs.reshape(-1)[:count]
