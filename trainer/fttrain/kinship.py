"""What makes a process known as one of its shim, whatever becomes of those between."""

import contextlib
import os
import resource
from pathlib import Path

from fttrain.spec import mark
from fttrain.spec.rundir import ProcessIdentity


def put_on_mark(shim: ProcessIdentity) -> None:
    """Put a shim's mark on this process and on all that will descend from it."""
    _, most = resource.getrlimit(mark.LIMIT)
    with contextlib.suppress(OSError, ValueError):  # somebody allows less than that: go without
        resource.setrlimit(mark.LIMIT, (mark.of(shim), most))


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
