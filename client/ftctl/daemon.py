"""The daemon itself, and what its users have of the machine."""

from dataclasses import dataclass
from datetime import datetime

from ftctl import html


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A running daemon."""

    version: str
    time: datetime
    """By its clock, in UTC."""
    start_time: datetime
    disk_free_bytes: int
    """On the disk where it keeps jobs."""
    disk_bytes: int
    user: str
    """Whom it takes the caller for."""
    is_admin: bool
    """Whether the caller may touch what is others'."""
    data_roots: tuple[str, ...]
    """The folders that paths of the caller's jobs must lie in; none: see `any_path`."""
    any_path: bool
    """Whether they may lie anywhere."""

    def _repr_html_(self) -> str:
        return html.card(
            f"ftd {self.version}",
            [("user", self.user), ("admin", self.is_admin), ("started", self.start_time)],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UserUsage:
    """What a user has and had of the machine."""

    user: str
    queued: int
    """Jobs that wait."""
    running: int
    """Jobs that hold devices."""
    ended: int
    device_seconds: float
    """Time that the user's jobs have held devices, summed over these, in seconds."""
