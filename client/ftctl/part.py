"""A file that is being fetched: beside its place until it is whole."""

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from ftctl.errors import BadInput


def place(to: Path, name: str) -> Path:
    """Return where a file of this name goes: into a folder, or where it shall be.

    What says the name may be another machine: no folders of it count.

    Raises:
        BadInput: where there is no such folder.
    """
    if to.is_dir():
        return to / Path(name).name
    if not to.parent.is_dir():
        raise BadInput(f"there is no folder {to.parent} to put {to.name} into")
    return to


class Part:
    """What has come of a file. Opened as a context; what is not kept is taken away."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.size = 0
        # Not the process's: one may fetch several to the same place at once.
        self._aside = place.with_name(f".{place.name}.{uuid4().hex}.part")
        self._digest = hashlib.sha256()

    def __enter__(self) -> Self:
        """Begin it. Raises BadInput where nothing can be written."""
        try:
            self._file = self._aside.open("xb")  # through no link that somebody has put there
        except OSError as error:
            raise BadInput(f"{self.place} cannot be written: {error.strerror}") from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave nothing behind."""
        self._file.close()
        self._aside.unlink(missing_ok=True)

    def add(self, data: bytes) -> None:
        """Add what comes next. Raises BadInput where the disk takes no more."""
        try:
            self._file.write(data)
        except OSError as error:
            raise BadInput(f"{self.place} cannot be written: {error.strerror}") from None
        self._digest.update(data)
        self.size += len(data)

    def begin_again(self) -> None:
        """Forget all that has come."""
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.size = 0

    def keep(self, sha256: str) -> bool:
        """Put the file in its place, whole; False where its digest is another."""
        if self._digest.hexdigest() != sha256:
            return False
        self._file.flush()
        os.fsync(self._file.fileno())
        self._aside.replace(self.place)
        return True
