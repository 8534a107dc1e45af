"""A daemon whose cards are those of a fake NVML: `python -m tests.observe.cards serve ...`.

All else of it is real. Whoever started it holds memory of them; SIGUSR1 has it report an XID.
"""

import functools
import os
import signal
import sys
import time

from ftd.__main__ import main
from ftd.devices import inventory
from tests.fakes.nvml import GIB, FakeCard, FakeNvml

XID = 31
_WATTS = 250
_BEGIN = time.monotonic()


class WarmCard(FakeCard):
    """A card that uses energy as time goes by."""

    @property
    def millijoules(self) -> int:
        """Its count of energy."""
        return int((time.monotonic() - _BEGIN) * _WATTS * 1000)

    @millijoules.setter
    def millijoules(self, _: int) -> None:
        """Take the default of the card, which does not hold here."""


def serve() -> int:
    """Run the daemon."""
    cards = [
        WarmCard(
            uuid=f"GPU-{bus:08d}-0000-0000-0000-000000000000", bus=bus, utilization=40 * bus,
            temperature=40 + 10 * bus, used=20 * GIB * bus, compute={os.getppid(): 10 * GIB},
        )
        for bus in (1, 2)
    ]  # fmt: skip
    signal.signal(signal.SIGUSR1, lambda *_: cards[0].events.append((XID, 0xFFFFFFFF)))
    inventory.open_inventory = functools.partial(
        inventory.open_inventory, load=lambda: FakeNvml(*cards)
    )
    return main()


if __name__ == "__main__":
    sys.exit(serve())
