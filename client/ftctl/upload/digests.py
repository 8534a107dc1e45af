"""The SHA-256 of files; those of files that rest are kept from one push to the next."""

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from threading import Lock

from ftctl.upload.content import Reader
from ftctl.upload.listing import Entry, Listing

# Small enough for a bar to move.
PIECE_BYTES = 2**20
# A file that was written later may be written again without its time moving on.
RESTS_AFTER_S = 2.0
KEPT_DAYS = 90
_DAY_S = 86400
_ROWS_AT_ONCE = 1000


class Cache(AbstractContextManager["Cache"]):
    """Digests of files on disk, by place and state. Where it cannot be written it holds nothing.

    Whoever is cancelled leaves it while a thread may still ask: closed, it holds nothing.
    """

    def __init__(self, file: Path) -> None:
        self._lock = Lock()
        self._new: list[tuple[str, str, bytes, int]] = []
        self._rows: sqlite3.Connection | None = None
        with suppress(OSError, sqlite3.Error):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._rows = sqlite3.connect(file, check_same_thread=False, timeout=1)
            self._rows.execute(
                "CREATE TABLE IF NOT EXISTS digests"
                " (place TEXT PRIMARY KEY, state TEXT, sha256 BLOB, day INTEGER) WITHOUT ROWID"
            )
            self._rows.execute("DELETE FROM digests WHERE day < ?", (_today() - KEPT_DAYS,))
            self._rows.commit()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._write()
            if self._rows is not None:
                self._rows.close()

    def get(self, entry: Entry) -> bytes | None:
        """Return the digest of a file as it stands."""
        if self._rows is None:
            return None
        with self._lock, suppress(sqlite3.Error):
            found = self._rows.execute(
                "SELECT sha256 FROM digests WHERE place = ? AND state = ?", _key(entry)
            ).fetchone()
            return found[0] if found else None
        return None

    def put(self, entry: Entry, sha256: bytes) -> None:
        """Keep the digest of a file, where it rests."""
        changed_ns = max(entry.state[1:3])
        if time.time() - changed_ns / 1e9 < RESTS_AFTER_S:
            return
        with self._lock:
            self._new.append((*_key(entry), sha256, _today()))
            if len(self._new) >= _ROWS_AT_ONCE:
                self._write()

    def forget(self, listing: Listing) -> None:
        """Drop the digests of files."""
        with self._lock, suppress(sqlite3.Error):
            self._new.clear()
            if self._rows is not None:
                places = [_key(entry)[:1] for entry in listing.entries]
                with self._rows:
                    self._rows.executemany("DELETE FROM digests WHERE place = ?", places)

    def _write(self) -> None:
        rows, self._new = self._new, []
        if self._rows is None or not rows:
            return
        with suppress(sqlite3.Error), self._rows:
            self._rows.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?)", rows)


def place(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the digests of this user's files are kept."""
    home = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "finetuned", "digests.sqlite")


def computed(listing: Listing, reader: Reader, cache: Cache) -> Iterator[bytes | int]:
    """Yield the digest of each file in turn, and between them the sizes of what was read for them.

    Raises:
        BadInput: where a file changes meanwhile or cannot be read.
    """
    for entry in listing.entries:
        if (kept := cache.get(entry)) is not None:
            yield entry.size_bytes
            yield kept
            continue
        digest = hashlib.sha256()
        for offset in range(0, entry.size_bytes, PIECE_BYTES):
            size = min(PIECE_BYTES, entry.size_bytes - offset)
            digest.update(reader.read(entry, offset, size))
            yield size
        cache.put(entry, digest.digest())
        yield digest.digest()


def _key(entry: Entry) -> tuple[str, str]:
    where = f"{entry.file}//{entry.position}" if entry.position else str(entry.file)
    return where, ",".join(map(str, (*entry.state, entry.size_bytes)))


def _today() -> int:
    return int(time.time()) // _DAY_S
