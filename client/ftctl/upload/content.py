"""The content of files, read piece by piece."""

from contextlib import AbstractContextManager
from pathlib import Path

from ftctl.errors import BadInput
from ftctl.upload.archive import DAMAGE
from ftctl.upload.listing import Entry, Listing, Stream, state_of


class Reader(AbstractContextManager["Reader"]):
    """Reads files of a listing, quickest in its order: of those on disk it holds one open."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._file: Path | None = None
        self._stream: Stream | None = None

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open."""
        stream, self._stream, self._file = self._stream, None, None
        if stream is not None:
            stream.close()

    def read(self, entry: Entry, offset: int, size: int) -> bytes:
        """Return exactly so many bytes of a file from a position on.

        Raises:
            BadInput: where it is no longer what was listed, or cannot be read.
        """
        try:
            stream = self._opened(entry)
            stream.seek(entry.position + offset)
            pieces = []
            while size and (piece := stream.read(size)):
                pieces.append(piece)
                size -= len(piece)
        except DAMAGE as error:
            raise BadInput(f"{entry.file} cannot be read: {error}") from None
        if size:
            raise _changed(entry)
        return b"".join(pieces)

    def _opened(self, entry: Entry) -> Stream:
        if self._stream is None or self._file != entry.file:
            self.close()
            if state_of(entry.file.stat()) != entry.state:
                raise _changed(entry)
            self._stream, self._file = self._listing.open(entry.file), entry.file
        return self._stream


def _changed(entry: Entry) -> BadInput:
    return BadInput(
        f"{entry.file} has changed since it was first looked at; push again once it rests"
    )
