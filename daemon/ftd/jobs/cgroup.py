"""Control groups, an addition where they are permitted: one for each attempt, made by its shim.

They are version 2, beneath the daemon's own group, which must be delegated to it: by systemd
(`Delegate=yes`, which it notes at the group), or by whoever put the daemon into a group of its own
where there is no systemd, as in a container. Where the folder cannot be written all goes on
without.

The kernel ends all processes of a group at once, those of other users too. To count as well which
attempt lost processes for want of memory (the shim reads it: fttrain.oomkills) needs more: the
daemon must sit in a group of its own beneath the delegated one (`DelegateSubgroup=daemon`, from
systemd 254 on), since a group that hands a controller on may hold no processes itself, and the
next daemon could not be started in it.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fttrain.spec import mark, rundir
from fttrain.spec.rundir import ProcessIdentity

DAEMONS_GROUP = "daemon"
"""What the unit calls the daemon's own group beneath the delegated one."""
_DELEGATED = "user.delegate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The group of an attempt: its shim and all that descends from it."""

    path: Path

    def pids(self) -> list[int]:
        """Return its processes; none where it is not there."""
        with contextlib.suppress(OSError):
            return [int(pid) for pid in (self.path / "cgroup.procs").read_text().split()]
        return []

    def kill(self) -> None:
        """End all its processes at once, whosever they are, where the kernel can (from 5.14)."""
        # Not write_text, which would make a file where the group is gone or has none.
        with contextlib.suppress(OSError), (self.path / "cgroup.kill").open("r+") as file:
            file.write("1")

    def remove(self) -> bool:
        """Remove it; False where processes are left in it."""
        try:
            self.path.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """The groups of one daemon's attempts, over all its restarts."""

    base: Path | None = None
    """The folder in which shims make their groups; None: without."""

    @property
    def environment(self) -> dict[str, str]:
        """What shims are told, by way of the zygote."""
        return {mark.GROUPS: str(self.base)} if self.base else {}

    def of(self, shim: ProcessIdentity | None) -> Group | None:
        """Return the group of an attempt; None where it can have none."""
        if self.base is None or shim is None or shim.boot_id != rundir.boot_id():
            return None
        return Group(path=self.base / mark.group_of(shim))

    def tidy(self) -> None:
        """Remove the groups of shims that have ended and left nothing in them."""
        if self.base is not None:
            for group in self._groups():
                if not group.pids() and not _is_alive(group.path.name):
                    group.remove()

    def _groups(self) -> Iterator[Group]:
        assert self.base is not None
        with contextlib.suppress(OSError):
            yield from [Group(path=each) for each in self.base.iterdir() if each.is_dir()]


def open_groups(
    state_dir: Path, *, proc: Path = Path("/proc"), systemd: Path = Path("/run/systemd/system")
) -> Groups:
    """Make the place for groups where that is permitted. Never raises."""
    own = own_group(proc)
    if own is None or not _is_delegated(own, systemd):
        return Groups()
    # Where several daemons share a group, each must know its own by name.
    name = f"finetuned-{hashlib.sha256(os.fsencode(state_dir.resolve())).hexdigest()[:12]}"
    base = _above(own) / name
    try:
        base.mkdir(exist_ok=True)
    except OSError:
        return Groups()
    if not os.access(base / "cgroup.procs", os.W_OK):
        return Groups()
    if _above(own) != own:
        _hand_on_memory(base)
    groups = Groups(base=base)
    groups.tidy()
    return groups


def own_group(proc: Path) -> Path | None:
    """Return the folder of this process's group of version 2; None where there is none."""
    try:
        mounts = (proc / "self/mountinfo").read_text().splitlines()
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return None
    within = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), None)
    for mount in mounts:
        before, _, after = mount.partition(" - ")
        if within is not None and after.startswith("cgroup2 "):
            root, point = before.split()[3:5]
            return Path(point) / os.path.relpath(within, root)
    return None


def _above(own: Path) -> Path:
    """Return the delegated group: the own one, or that above where the unit has parted them."""
    return own.parent if own.name == DAEMONS_GROUP else own


def _is_delegated(own: Path, systemd: Path) -> bool:
    if not (own / "cgroup.events").exists():
        return False  # the root of the whole machine, which is nobody's
    if not systemd.is_dir():
        return True
    try:
        return os.getxattr(_above(own), _DELEGATED) == b"1"
    except OSError:
        return False


def _hand_on_memory(base: Path) -> None:
    """Have the kernel count each attempt's memory by itself, where that can be."""
    for group in (base.parent, base):
        with contextlib.suppress(OSError), (group / "cgroup.subtree_control").open("r+") as file:
            file.write("+memory")


def _is_alive(name: str) -> bool:
    pid, _, ticks = name.partition(".")
    if not (pid.isdecimal() and ticks.isdecimal()):
        return True  # somebody else's: not to be touched
    identity = ProcessIdentity.of(int(pid))
    return identity is not None and identity.start_ticks == int(ticks)
