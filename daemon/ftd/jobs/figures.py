"""What a running job is using."""

from dataclasses import dataclass

from ftd.devices.model import DeviceId, JobMemory
from ftd.jobs.model import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFigures:
    """A job that holds devices, and what is known of it beside its own record."""

    job: Job
    devices: tuple[DeviceId, ...]
    device_seconds: float
    """For how long it has held devices, summed over them and over all its attempts."""
    memory: JobMemory | None = None
    """None until it was measured."""
    journal_bytes: int | None = None
    """How much of its attempt's journal is stored as events; None while nobody reads it."""
