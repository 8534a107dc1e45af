"""What users of the client see of data sets: what a daemon has, and how far a push is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ftctl import html


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFolder:
    """A folder of a data set."""

    path: str
    """Within the data set; empty: the data set itself."""
    files: int
    """Without those of folders within."""
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A data set that was pushed. It never changes: a later push of its name makes another one."""

    name: str
    user: str
    """Whose it is."""
    digest: str
    """Of all its files and their paths, in hexadecimal."""
    files: int
    size_bytes: int
    create_time: datetime | None
    folders: tuple[DatasetFolder, ...] = ()
    """Those that hold files. Only of a data set that was asked for by name."""
    used_by: tuple[str, ...] = ()
    """Jobs that have not ended and use it. Only of a data set that was asked for by name."""

    def __repr__(self) -> str:
        return f"<Dataset {self.name}: {self._size()}, digest {self.digest[:12]}>"

    def _repr_html_(self) -> str:
        facts = [
            ("size", self._size()),
            ("digest", self.digest),
            ("pushed", self.create_time),
            ("used by", ", ".join(self.used_by)),
        ]
        rows = [(folder.path or ".", folder.files) for folder in self.folders[:_MOST_SHOWN]]
        folders = html.table(["folder", "files"], rows) if rows else ""
        hint = f"data: {{dataset: {self.name}}} in a job names it"
        return html.card(self.name, facts, below=folders, hint=hint)

    def _size(self) -> str:
        noun = "file" if self.files == 1 else "files"
        return f"{self.files:,} {noun}, {_bytes(self.size_bytes)}"


_MOST_SHOWN = 50


def _bytes(count: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:,.1f} {unit}"
    return f"{count} B"


class PushPhase(StrEnum):
    """What a push is doing."""

    LISTING = "listing"
    """Looking which files there are."""
    DIGESTING = "digesting"
    """Reading them, for their digests."""
    SENDING = "sending"
    """Sending those that the daemon lacks."""
    INTERRUPTED = "interrupted"
    """Waiting for a daemon that went away."""
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class PushProgress:
    """How far a push is."""

    phase: PushPhase
    files: int = 0
    size_bytes: int = 0
    """Of all files."""
    done_bytes: int = 0
    """Of them, digested; or when they are sent, what the daemon has."""
    missing_files: int = 0
    """Those that the daemon lacked when the push began."""
    sent_bytes: int = 0
    """Content that has been sent, what was sent again included."""
    away_seconds: float | None = None
    """How long the daemon has been away. None: it is there."""
    left_out: tuple[str, ...] = ()
    """Hidden files and folders that are not pushed."""
    common_folder: str = ""
    """The folder of an archive that held all else, and is left out of the paths."""


OnProgress = Callable[[PushProgress], None]
"""Is told how far a push is, each time that is further."""
