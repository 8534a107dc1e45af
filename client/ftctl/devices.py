"""What users of the client see of a machine: its devices and what they are doing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ftctl import html


class DeviceKind(StrEnum):
    """What a device is."""

    GPU = "gpu"
    MIG = "mig"
    CPU = "cpu"
    SIMULATED = "simulated"
    UNKNOWN = "unknown"
    """A kind that a newer daemon knows and this client does not."""


class DeviceState(StrEnum):
    """Whether a device takes jobs."""

    FREE = "free"
    BUSY = "busy"
    DRAINING = "draining"
    DRAINED = "drained"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceJob:
    """A job on a device."""

    job_id: str
    name: str
    memory_bytes: int | None
    """What it has declared. None: it has the device for itself."""

    @property
    def label(self) -> str:
        """Its name, where it is for this user to know."""
        return self.name or "another user's job"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignProcess:
    """A process that holds memory of a device and belongs to no job."""

    pid: int
    name: str
    """What the kernel calls it; empty where it cannot be seen."""
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device as it stood when it was asked for."""

    id: str
    uuid: str
    kind: DeviceKind
    name: str
    """The maker's."""
    state: DeviceState
    reason: str
    """Why it takes no jobs."""
    cpus: int
    """Cores that a job on it may use."""
    memory_total_bytes: int
    memory_used_bytes: int
    """By anybody."""
    memory_reserved_bytes: int
    """What the jobs on it have declared; all of it where a job has it for itself."""
    memory_foreign_bytes: int
    """Held by processes that are no job's."""
    foreign: tuple[ForeignProcess, ...]
    """The largest first."""
    jobs: tuple[DeviceJob, ...]
    utilization: float | None
    """Share of the time in which it worked, 0 to 1. None, here and below: it cannot be told."""
    temperature_celsius: float | None
    energy_joules: float | None
    xid_errors: Mapping[int, int]
    """Errors that its driver has reported since the daemon started, by XID."""
    sample_time: datetime | None
    """When these figures were read; None before the first reading."""

    def badge(self) -> html.Badge:
        """Return its state as a word that stands out."""
        return html.Badge(self.state, _TONES.get(self.state, "wary"))

    def __repr__(self) -> str:
        jobs = f", runs {', '.join(job.label for job in self.jobs)}" if self.jobs else ""
        return f"<Device {self.id} ({self.name}): {self.state}, {self._memory()}{jobs}>"

    def _memory(self) -> str:
        used, whole = self.memory_used_bytes / 2**30, self.memory_total_bytes / 2**30
        return f"{used:.1f} of {whole:.1f} GiB"

    def _repr_html_(self) -> str:
        facts = [
            ("name", self.name),
            ("uuid", self.uuid),
            ("why", self.reason),
            ("memory", self._memory()),
            ("jobs", ", ".join(job.label for job in self.jobs)),
            ("foreign", ", ".join(f"{item.name} ({item.pid})" for item in self.foreign)),
        ]
        return html.card(self.id, facts, badge=self.badge())


_TONES = {DeviceState.FREE: "good", DeviceState.BUSY: "busy", DeviceState.UNHEALTHY: "bad"}
