"""What metrics are made of: the daemon's own state, as it stands at one moment."""

from collections.abc import Sequence
from typing import Protocol

from ftd.jobs.figures import JobFigures
from ftd.jobs.fleet import Standing
from ftd.jobs.model import Job


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
        """Return what is known of a job; of one that has just ended, as long as it has devices."""
