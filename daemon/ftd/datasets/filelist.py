"""The list of a push's files: on disk, for there may be a million of them."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ftd.datasets import paths
from ftd.errors import InvalidDataset
from fttrain.spec.faults import MOST_FAULTS, Fault

MOST_FILES = 1_000_000
MOST_FOLDERS = 2000
"""Folders that are told of a data set: a reply must fit a message of 4 MiB."""
_DIGEST_BYTES = 32
_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE files (
    number INTEGER PRIMARY KEY, path TEXT NOT NULL, size INTEGER NOT NULL, sha256 BLOB NOT NULL,
    fold BLOB NOT NULL
);
CREATE TABLE folders (fold BLOB PRIMARY KEY) WITHOUT ROWID;
BEGIN;
"""
_INDEXES = (
    "CREATE INDEX files_by_content ON files (sha256, number)",
    "CREATE INDEX files_by_fold ON files (fold, number)",
    "CREATE INDEX files_by_path ON files (path)",
)
_ALIKE = """
SELECT later.number, later.path, first.path FROM files AS later
JOIN (SELECT fold, min(number) AS number FROM files GROUP BY fold HAVING count(*) > 1) AS found
  ON found.fold = later.fold AND found.number < later.number
JOIN files AS first ON first.number = found.number
ORDER BY later.number
"""
_FOLDERS_TOO = "SELECT number, path FROM files JOIN folders USING (fold) ORDER BY number"
_TWO_SIZES = """
SELECT number, path FROM files WHERE sha256 IN
  (SELECT sha256 FROM files GROUP BY sha256 HAVING min(size) < max(size))
ORDER BY number
"""
_CONTENTS = "SELECT min(number), path, size, sha256 FROM files GROUP BY sha256 ORDER BY min(number)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of a data set."""

    path: str
    size_bytes: int
    sha256: bytes

    @property
    def line(self) -> bytes:
        """What a data set's digest is made of."""
        return f"{self.sha256.hex()} {self.size_bytes} {self.path}\n".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What is known of a list as a whole."""

    digest: str
    """The data set's: see the API's Dataset.digest."""
    order: str
    """SHA-256 over the same lines in the order in which they came."""
    files: int
    size_bytes: int


class FileList:
    """A list of files in a file of its own. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open a list that was made before."""
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._order = hashlib.sha256()
        self._count = self._bytes = self._more = 0
        self._faults: list[Fault] = []
        self._last_folder = ""

    @classmethod
    def make(cls, path: Path) -> Self:
        """Begin a list in a file that is not there yet."""
        made = cls(path)
        made._database.executescript(_TABLES)
        return made

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def add(self, entries: Iterable[Entry]) -> None:
        """Take files up. What is wrong about them is kept for `seal`.

        Raises:
            InvalidDataset: where there are too many.
        """
        for entry in entries:
            if self._count >= MOST_FILES:
                text = f"there are more than {MOST_FILES:,} files; pack small ones together"
                raise InvalidDataset([Fault(field="files", description=text)])
            self._take(self._count, entry)
            self._count += 1

    def seal(self, limit_bytes: int) -> Summary:
        """Check the list as a whole.

        Raises:
            InvalidDataset: with all faults of its files, or as it is too large as a whole.
        """
        for index in _INDEXES:
            self._database.execute(index)
        self._find_clashes()
        if not self._count:
            self._blame("files", "there are none; a data set needs a file at least")
        if self._bytes > limit_bytes:
            text = f"they have {self._bytes:,} bytes, more than the {limit_bytes:,} that a data set"
            self._blame("files", f"{text} may have here (--dataset-limit)")
        if self._faults:
            raise InvalidDataset(self._faults, more=self._more)
        self._database.execute("COMMIT")
        return Summary(
            digest=self._digest(),
            order=self._order.hexdigest(),
            files=self._count,
            size_bytes=self._bytes,
        )

    def entry(self, number: int) -> Entry | None:
        """Return a file by its place in the list; None: there is none."""
        query = "SELECT path, size, sha256 FROM files WHERE number = ?"
        row = self._database.execute(query, (number,)).fetchone()
        return _entry(*row) if row else None

    def entries(self) -> Iterator[Entry]:
        """Yield all files in order of their paths."""
        query = "SELECT path, size, sha256 FROM files ORDER BY path"
        return (_entry(*row) for row in self._database.execute(query))

    def contents(self) -> Iterator[tuple[int, Entry]]:
        """Yield of all files with the same content the first, with its place, in order."""
        rows = self._database.execute(_CONTENTS)
        return ((number, _entry(*file)) for number, *file in rows)

    def holds(self, sha256: bytes) -> bool:
        """Tell whether a file has this content."""
        query = "SELECT 1 FROM files WHERE sha256 = ? LIMIT 1"
        return self._database.execute(query, (sha256,)).fetchone() is not None

    def folders_json(self) -> str:
        """Return the folders that hold files as JSON: path -> [files, bytes], by path."""
        told: dict[str, list[int]] = {}
        for entry in self.entries():
            figures = told.setdefault(entry.path.rpartition("/")[0], [0, 0])
            figures[0] += 1
            figures[1] += entry.size_bytes
            if len(told) > 2 * MOST_FOLDERS:  # a million files may have as many folders
                told = _first(told)
        return json.dumps(_first(told), ensure_ascii=False)

    def _take(self, number: int, entry: Entry) -> None:
        fault = paths.fault(entry.path)
        if fault is not None:
            self._blame(f"files[{number}].path", fault)
        if entry.size_bytes < 0:
            text = f"{paths.shown(entry.path)} has {entry.size_bytes} bytes; no file has"
            self._blame(f"files[{number}].size_bytes", text)
        if len(entry.sha256) != _DIGEST_BYTES:
            text = f"{paths.shown(entry.path)}: its SHA-256 has {len(entry.sha256)} bytes"
            self._blame(f"files[{number}].sha256", f"{text}, not {_DIGEST_BYTES}")
        elif fault is None and entry.size_bytes >= 0:
            self._insert(number, entry)

    def _insert(self, number: int, entry: Entry) -> None:
        self._order.update(entry.line)
        self._bytes += entry.size_bytes
        row = (number, entry.path, entry.size_bytes, entry.sha256, paths.folded(entry.path))
        self._database.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?)", row)
        folder = entry.path.rpartition("/")[0]
        if folder == self._last_folder:
            return
        self._last_folder = folder
        while folder:
            fold = (paths.folded(folder),)
            self._database.execute("INSERT OR IGNORE INTO folders VALUES (?)", fold)
            folder = folder.rpartition("/")[0]

    def _find_clashes(self) -> None:
        for number, path, first in self._database.execute(_ALIKE):
            what = f"{paths.shown(path)} is given twice"
            if path != first:
                what = (
                    f"{paths.shown(path)} and {paths.shown(first)} differ by case, or by how "
                    "letters are composed, alone; elsewhere they are one file: rename one"
                )
            self._blame(f"files[{number}].path", what)
        for number, path in self._database.execute(_FOLDERS_TOO):
            what = f"{paths.shown(path)} is a file, and a folder of others too; rename one"
            self._blame(f"files[{number}].path", what)
        for number, path in self._database.execute(_TWO_SIZES):
            what = f"{paths.shown(path)} has the SHA-256 of a file of another size; read both again"
            self._blame(f"files[{number}].sha256", what)

    def _blame(self, field: str, description: str) -> None:
        if len(self._faults) < MOST_FAULTS:
            self._faults.append(Fault(field=field, description=description))
        else:
            self._more += 1

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for entry in self.entries():
            digest.update(entry.line)
        return digest.hexdigest()


def _first(folders: dict[str, list[int]]) -> dict[str, list[int]]:
    """Return the folders that are told. One that is left out would never be among them again."""
    return dict(sorted(folders.items())[:MOST_FOLDERS])


def _entry(path: str, size_bytes: int, sha256: bytes) -> Entry:
    return Entry(path=path, size_bytes=size_bytes, sha256=sha256)
