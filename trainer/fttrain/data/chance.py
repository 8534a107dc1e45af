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


class ManyDraws:
    """The numbers of many keys at once: of each key those that its Draws gives."""

    def __init__(self, keys: NDArray[np.uint64]) -> None:
        """Begin at the first numbers of keys, (N, length of a key)."""
        self._keys = keys
        self._next = 0
        self._words = np.empty((len(keys), 0), np.uint64)

    def _word(self) -> NDArray[np.uint64]:
        block, place = divmod(self._next, _WORDS)
        if place == 0:
            self._words = _digests(np.insert(self._keys, self._keys.shape[1], block, axis=1))
        self._next += 1
        return self._words[:, place]

    def chosen(self, places: NDArray[np.int64]) -> "ManyDraws":
        """Return the draws of some of the keys, as they stand."""
        some = ManyDraws(self._keys[places])
        some._next, some._words = self._next, self._words[places]
        return some

    def uniform(self, low: float = 0.0, high: float = 1.0) -> NDArray[np.float64]:
        """Return the next number of each key, (N,), evenly from low (included) to high."""
        return low + (high - low) * ((self._word() >> np.uint64(11)).astype(np.float64) * 2.0**-53)

    def below(self, limit: int) -> NDArray[np.int64]:
        """Return the next whole number of each key, (N,), evenly from 0 to limit - 1.

        `limit` is at most 2**31.
        """
        word, by, half = self._word(), np.uint64(limit), np.uint64(32)
        # No product of numpy has 128 bits, so in halves, the lower one's carry with it.
        low = (word & np.uint64(0xFFFFFFFF)) * by >> half
        return (((word >> half) * by + low) >> half).astype(np.int64)


def _digests(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the words of keys of whole numbers, (N, words of a block)."""
    text, size = keys.astype("<u8").tobytes(), 8 * keys.shape[1]
    parts = [text[begin : begin + size] for begin in range(0, len(text), size)]
    blake, width = hashlib.blake2b, 8 * _WORDS
    made = b"".join([blake(part, digest_size=width).digest() for part in parts])
    return np.frombuffer(made, "<u8").reshape(-1, _WORDS)


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
