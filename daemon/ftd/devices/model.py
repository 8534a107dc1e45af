"""Devices, as the daemon thinks of them. Knows neither NVML nor jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

DeviceId = str


class DeviceKind(StrEnum):
    """What a device is."""

    GPU = "gpu"
    MIG = "mig"
    CPU = "cpu"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Something that jobs hold while they train. It does not change while the daemon runs."""

    id: DeviceId
    """Short and stable: `gpu-3f2a9c1d`, `mig-90b1c2d3`, `cpu`, `cpu0`, `sim0`."""
    uuid: str
    """As CUDA_VISIBLE_DEVICES takes it; the id again where there is none."""
    kind: DeviceKind
    name: str
    """The maker's."""
    memory_bytes: int
    cores: tuple[int, ...]
    """Cores that a job on it may use, by the kernel's numbers. Devices may share them."""
    number: str = ""
    """What NVIDIA's tools call it until the next reboot: `0`, an instance of MIG `0.3`."""

    @property
    def cpus(self) -> int:
        """The number of those cores."""
        return len(self.cores)

    @property
    def is_card(self) -> bool:
        """True if it has a memory and a driver of its own."""
        return self.kind in (DeviceKind.GPU, DeviceKind.MIG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process holds of a device's memory."""

    pid: int
    memory_bytes: int
    name: str = ""
    """What the kernel calls it; empty where it cannot be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a device says of itself at one moment. None: it cannot tell."""

    memory_used_bytes: int | None = None
    """By anybody. None for a processor and a simulated device: that is what its jobs use."""
    processes: tuple[Usage, ...] = ()
    utilization: float | None = None
    """0 to 1."""
    temperature_celsius: float | None = None
    energy_joules: float | None = None
    """Since the driver was loaded."""
    xid_errors: Mapping[int, int] = field(default_factory=dict)
    """Errors since the inventory was opened, by XID."""
    fault: str = ""
    """What keeps it from taking jobs, in a few words; empty where it is well."""


class Inventory(Protocol):
    """The devices of a machine. Calls may block for milliseconds: make them in a thread."""

    @property
    def devices(self) -> Sequence[Device]:
        """All of them, always in the same order."""

    def sample(self) -> Mapping[DeviceId, Sample]:
        """Look at each device now. Never raises for a device that is ill: that is a fault."""

    def environment(self, ids: Sequence[DeviceId]) -> Mapping[str, str]:
        """Return what a worker must be told so that it sees exactly these devices."""

    def close(self) -> None:
        """Let go of the driver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the daemon knows of a device: its own word, with its jobs taken into account."""

    time: datetime | None = None
    """None before the first look."""
    memory_used_bytes: int = 0
    memory_foreign_bytes: int = 0
    """Held by processes that are no job's."""
    foreign: tuple[Usage, ...] = ()
    """Those processes, the largest first, at most 16."""
    sample: Sample = Sample()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMemory:
    """What a running job uses of its devices, summed over them."""

    used_bytes: int
    peak_bytes: int
    """The most that was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A job that runs, as the telemetry needs to know it."""

    job_id: str
    pid: int
    """The root of its processes."""
    devices: tuple[DeviceId, ...]
