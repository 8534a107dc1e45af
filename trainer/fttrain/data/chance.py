"""Chance as a pure function: the same key gives the same numbers, in any process, in any order.

Nothing here reads or moves a global generator. What is drawn does not depend on the releases of
numpy either: only raw words are taken from it, whose stream it keeps stable.
"""

import hashlib
import math
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

    def normal(self) -> float:
        """Return a number of the standard normal distribution, by Box and Muller."""
        radius = math.sqrt(-2.0 * math.log1p(-self.uniform()))
        return radius * math.cos(2.0 * math.pi * self.uniform())

    def dirichlet(self, alpha: float, count: int) -> list[float]:
        """Return shares that sum to 1; of two, each is of Beta(alpha, alpha)."""
        logs = [self._log_gamma(alpha) for _ in range(count)]
        most = max(logs)  # A small alpha makes numbers that are no floats; their logarithms are.
        parts = [math.exp(log - most) for log in logs]
        return [part / sum(parts) for part in parts]

    def _log_gamma(self, shape: float) -> float:
        """Return the logarithm of a number of Gamma(shape), by Marsaglia and Tsang."""
        if shape < 1:
            return self._log_gamma(shape + 1) + math.log1p(-self.uniform()) / shape
        d = shape - 1 / 3
        while True:
            x = self.normal()
            v = (1 + x / math.sqrt(9 * d)) ** 3
            if v > 0 and math.log1p(-self.uniform()) < x * x / 2 + d - d * v + d * math.log(v):
                return math.log(d * v)

    def words(self, count: int) -> tuple[int, ...]:
        """Return the next random words of 64 bits, a key to numbers by the thousand."""
        return tuple(self._word() for _ in range(count))


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
