"""torch's own generator, set to numbers that are pure functions of (seed, purpose, counters).

Initial values and dropout can only draw from there; all other chance is in `fttrain.data`.
"""

import contextlib
import hashlib
from collections.abc import Iterator

import torch


def derive(seed: int, purpose: str, *counters: int) -> int:
    """Return 63 bits that depend on nothing but the arguments."""
    text = ":".join([str(seed), purpose, *map(str, counters)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def reseed(number: int) -> None:
    """Set the default generators; `torch.manual_seed` does the same a hundred times slower."""
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed(number)


@contextlib.contextmanager
def seeded(number: int) -> Iterator[None]:
    """Draw from a generator set to a number; leave the default generator as it was."""
    before = torch.default_generator.get_state()
    reseed(number)
    try:
        yield
    finally:
        torch.default_generator.set_state(before)
