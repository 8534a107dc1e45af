"""Archives unpacked as they are read, never beyond what is plausible."""

import bz2
import gzip
import io
import lzma
from importlib import import_module
from pathlib import Path

from ftctl.errors import BadInput
from ftctl.upload.listing import Stream

# Of an archive, unpacked to packed; gzip does not reach more, images reach 1.
MOST_RATIO = 1000
# What any archive may unpack to.
FREE_BYTES = 16 * 2**20
# Headers, which tarfile reads whole, and our own pieces are smaller.
MOST_AT_ONCE = 2 * 2**20

_MAGIC = {
    "gzip": b"\x1f\x8b",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    "zstd": b"\x28\xb5\x2f\xfd",
    "zip": b"PK\x03\x04",
}


class Bomb(Exception):
    """An archive that unpacks to more than is plausible."""


class Bounded(io.RawIOBase):
    """A stream of an archive's unpacked bytes that ends in Bomb beyond a position."""

    def __init__(self, stream: Stream, most_bytes: float) -> None:
        self._stream = stream
        self._most_bytes = most_bytes
        self._position = 0

    def allow(self, position: int) -> None:
        """Return where a position is plausible. Raises Bomb."""
        if position > self._most_bytes:
            raise Bomb(f"would unpack to more than {MOST_RATIO:,} times the size of the archive")

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position from the beginning. Raises Bomb."""
        self.allow(offset)
        self._position = self._stream.seek(offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes at most. Raises Bomb."""
        if not 0 <= size <= MOST_AT_ONCE:
            raise Bomb(f"has a header of {size:,} bytes")
        self.allow(self._position)
        piece = self._stream.read(size)
        self._position += len(piece)
        return piece

    def close(self) -> None:
        """Close the archive too."""
        self._stream.close()
        super().close()


def opened(file: Path) -> Bounded:
    """Open an archive, unpacked and bounded. Raises BadInput where that cannot be done."""
    kind = packing(file)
    if kind == "zip":
        raise BadInput(f"{file} is a zip file; unpack it and push the folder, or pack it as .tar")
    # Nothing is packed here: what a tar declares beyond its end is found at its end.
    most = float("inf") if not kind else max(FREE_BYTES, MOST_RATIO * file.stat().st_size)
    return Bounded(_unpacked(file, kind), most)


def packing(file: Path) -> str:
    """Return how a file is packed, by what it begins with; empty: not in a way known here."""
    with file.open("rb") as stream:
        begun = stream.read(8)
    return next((kind for kind, magic in _MAGIC.items() if begun.startswith(magic)), "")


def _unpacked(file: Path, kind: str) -> Stream:
    match kind:
        case "gzip":
            return gzip.open(file)
        case "bzip2":
            return bz2.open(file)
        case "xz":
            return lzma.open(file)
        case "zstd":
            return _zstd(file)
        case _:
            return file.open("rb")


def _zstd(file: Path) -> Stream:
    try:
        zstd = import_module("compression.zstd")
    except ImportError:
        raise BadInput(
            f"{file} is packed by zstd, which this Python cannot read (3.14 can); "
            f"`unzstd {file.name}` makes a .tar of it"
        ) from None
    stream: Stream = zstd.open(file)
    return stream
