"""The devices of this machine. Today: one, its processor."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Something a job can hold."""

    id: str
    kind: str
    name: str
    cpus: int
    """Cores that a job on this device may use."""


def cpu() -> Device:
    """Return the processor as one device with all cores that this process may use."""
    return Device(id="cpu", kind="cpu", name=_processor_name(), cpus=len(os.sched_getaffinity(0)))


def _processor_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
