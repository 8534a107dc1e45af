"""What chaos lays between a machine and its processes: which boot it is, and what time it is.

A daemon and a zygote of chaos call `apply` first; what they fork has it from them. The clock is
a file that they have mapped: so it jumps for all of them at once, and so they can be found.
"""

import mmap
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

from fttrain.spec import rundir

BOOT = "FT_CHAOS_BOOT"
CLOCK = "FT_CHAOS_CLOCK"
_SHIFT = struct.Struct("d")


def apply() -> Callable[[], float]:
    """Live on the machine that the environment tells of; return its clock."""
    boot = os.environ[BOOT]
    rundir.boot_id = lambda: boot
    with Path(os.environ[CLOCK]).open("rb") as file:
        shift = mmap.mmap(file.fileno(), _SHIFT.size, access=mmap.ACCESS_READ)
    real = time.time

    def now() -> float:
        return real() + float(_SHIFT.unpack_from(shift)[0])

    time.time = now
    return now


def set_clock(file: Path, shift_s: float) -> None:
    """Have the clock of a machine go so many seconds ahead of this one's."""
    with file.open("r+b" if file.exists() else "wb") as clock:
        clock.write(_SHIFT.pack(shift_s))
