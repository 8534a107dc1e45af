"""What metrics are made of: the daemon's own state, as it stands at one moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ftd.devices.model import DeviceId, JobMemory
from ftd.jobs.fleet import Standing
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
    journal_bytes: int = 0
    """How much of its attempt's journal is stored as events."""


class Sources(Protocol):
    """The daemon, as metrics see it.

    All of it is asked in the event loop, changes nothing, and answers at once from memory.
    """

    @property
    def is_zygote_up(self) -> bool:
        """Whether workers can be forked."""

    @property
    def watchers(self) -> int:
        """Number of clients that follow a job."""

    def standings(self) -> Sequence[Standing]:
        """Return every device as it stands."""

    def holders(self) -> Sequence[JobFigures]:
        """Return the jobs that hold devices."""

    def figures(self, job: Job) -> JobFigures:
        """Return what is known of a job that holds devices, or has ended and holds them still."""
