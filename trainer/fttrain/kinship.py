"""What makes a process known as one of its attempt, whatever becomes of those above it."""

import contextlib
import ctypes
import mmap
import os
from pathlib import Path

from fttrain.spec import mark, rundir
from fttrain.spec.rundir import ProcessIdentity

_PROT_NONE = 0
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
]  # fmt: skip


def put_on_mark(run_dir: Path) -> None:
    """Put the mark of an attempt on this process and on all that will descend from it."""
    shim = rundir.read_shim(run_dir)
    assert shim is not None, "a worker runs beneath a shim"
    text = mark.of(run_dir, shim)
    os.environ[mark.VARIABLE] = text
    with contextlib.suppress(OSError):  # a sandbox without it: the variable must do
        _map(f"{mark.MAPPING}{text}")


def enter_group(shim: ProcessIdentity) -> None:
    """Make a control group for this process and its descendants, where the daemon has said so.

    It takes the kernel some 15 ms: do it before there is a job that waits.
    """
    groups = os.environ.pop(mark.GROUPS, None)
    if groups is None:
        return
    group = Path(groups) / mark.group_of(shim)
    with contextlib.suppress(OSError):  # an addition: all goes on without
        group.mkdir(exist_ok=True)
        (group / "cgroup.procs").write_text("0")


def _map(name: str) -> None:
    """Map a page that cannot be used, for its name. No descriptor stays open for it.

    Not by the `mmap` module: its object would later close a number that may be another file's.
    """
    descriptor = os.memfd_create(name)
    try:
        _libc.mmap(None, mmap.PAGESIZE, _PROT_NONE, mmap.MAP_PRIVATE, descriptor, 0)
    finally:
        os.close(descriptor)
