"""The machine's memory, and the limit that a control group sets to it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineMemory:
    """The memory that this process and its children may use, at one moment."""

    total_bytes: int
    """Physical memory, or the control group's limit where that is less."""
    used_bytes: int
    """What of it cannot be had without swapping: caches that can be dropped do not count."""


def look(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> MachineMemory:
    """Read how much memory there is and how much of it is in use."""
    physical, available = _physical(proc)
    whole = MachineMemory(total_bytes=physical, used_bytes=physical - available)
    limits = [limit for limit in _limits(proc, groups) if limit.total_bytes < physical]
    if not limits:
        return whole
    tightest = min(limits, key=lambda limit: limit.total_bytes)
    # What the rest of the machine leaves may be less than the limit allows.
    short = tightest.total_bytes - available
    return MachineMemory(
        total_bytes=tightest.total_bytes, used_bytes=max(tightest.used_bytes, short)
    )


def _physical(proc: Path) -> tuple[int, int]:
    """Return total and available bytes."""
    lines = (line.split() for line in (proc / "meminfo").read_text().splitlines())
    kibibytes = {words[0]: int(words[1]) for words in lines}
    return kibibytes["MemTotal:"] * 1024, kibibytes["MemAvailable:"] * 1024


def _limits(proc: Path, groups: Path) -> list[MachineMemory]:
    """Return what each control group above this process allows, in both versions of the kernel."""
    found = []
    for line in (proc / "self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            names, root = ("memory.max", "memory.current", "inactive_file"), groups
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            root = groups / "memory"
        else:
            continue
        here = root / path.lstrip("/")
        # Within a container the path may name folders that only its host has.
        for folder in [here, *here.parents][: len(here.relative_to(root).parts) + 1]:
            found += _limit(folder, *names)
    return found


def _limit(folder: Path, limit: str, usage: str, droppable: str) -> list[MachineMemory]:
    try:
        text = (folder / limit).read_text().strip()
        if text == "max":
            return []
        lines = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
        cache = next((int(words[1]) for words in lines if words[0] == droppable), 0)
        used = int((folder / usage).read_text()) - cache
    except FileNotFoundError:
        return []
    return [MachineMemory(total_bytes=int(text), used_bytes=max(used, 0))]
