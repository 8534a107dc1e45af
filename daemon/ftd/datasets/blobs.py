"""Files by their content: each is kept once, however many data sets hold it.

They are apart by user: a digest alone, which may be known from elsewhere, brings nobody the file
behind it, nor the knowledge that it is here.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

_LINKED_ONCE = 1


class Blobs:
    """The folder of all contents that have arrived."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, user: str, sha256: bytes) -> Path:
        """Return where a user's content is, or would be."""
        whose, name = hashlib.sha256(user.encode()).hexdigest()[:16], sha256.hex()
        return self._folder / whose / name[:2] / name

    def size(self, user: str, sha256: bytes) -> int | None:
        """Return the size of a user's content; None where it is not there."""
        try:
            return self.path(user, sha256).stat().st_size
        except FileNotFoundError:
            return None

    def take(self, arrived: Path, user: str, sha256: bytes) -> Path:
        """Move a content that has arrived here; return where it is."""
        place = self.path(user, sha256)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            arrived.replace(place)
        return place

    def sweep(self, is_wanted: Callable[[bytes], bool]) -> int:
        """Remove what is in no data set and not wanted else; return the bytes that it had."""
        freed = 0
        for file in self._folder.glob("*/*/*"):
            status = file.stat()
            if status.st_nlink == _LINKED_ONCE and not is_wanted(_sha256(file)):
                file.unlink()
                freed += status.st_size
        return freed


def _sha256(file: Path) -> bytes:
    try:
        return bytes.fromhex(file.name)
    except ValueError:
        return b""  # somebody else's file, which no data set wants


def link(blob: Path, place: Path) -> None:
    """Have a content in another place too; copied where it has as many links as can be."""
    try:
        os.link(blob, place)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
        shutil.copy2(blob, place)
