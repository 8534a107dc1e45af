"""The mark of a shim: how all that descends from it is known once it is gone. Torch-free.

It is a limit of the kernel's on something that has long ceased to exist (`RLIMIT_LOCKS`, without
effect since Linux 2.4.25). Every process has limits, its children inherit them, and so do the
programs that these execute, whatever files, sessions, parents and environments they have; and
everybody may read them. The value is the shim's process id and start, which in this boot of the
machine no other process has.
"""

from fttrain.spec.rundir import ProcessIdentity

LIMIT = 10
"""The kernel's number of it."""
GROUPS = "FINETUNED_GROUPS"
"""Variable of the zygote: the folder in which each shim makes its control group; none: without."""
_PID_BITS = 22


def of(shim: ProcessIdentity) -> int:
    """Return the mark of a shim."""
    return shim.start_ticks << _PID_BITS | shim.pid


def read(value: int) -> tuple[int, int]:
    """Return the process id and the start of the shim that a mark names."""
    return value & ((1 << _PID_BITS) - 1), value >> _PID_BITS


def group_of(shim: ProcessIdentity) -> str:
    """Return the name of the control group of a shim and all beneath it."""
    return f"{shim.pid}.{shim.start_ticks}"
