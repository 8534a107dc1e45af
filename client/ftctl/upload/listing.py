"""The files that make a data set, before any of them is read."""

import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ftctl.errors import BadInput, Fault, InvalidDataset

# What a daemon takes at most.
MOST_FILES = 1_000_000
MOST_BYTES = 2**40
MOST_PATH_BYTES, MOST_PART_BYTES, MOST_PARTS = 1024, 255, 64

# What systems and editors leave beside the files of their users. Names with a dot before them are
# left out as well.
_LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx", "ehthumbs.db"})

State = tuple[int, ...]
"""Size, times and number of a file on disk: another one where its content may be another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of a data set, and where its content is."""

    path: str
    """Within the data set, with `/`."""
    size_bytes: int
    file: Path
    """The file on disk that holds the content: itself, or an archive."""
    state: State
    """Of the file on disk."""
    position: int = 0
    """Where in it, unpacked, the content begins."""


class Stream(Protocol):
    """Bytes that can be read from any position on."""

    def seek(self, offset: int, /) -> int:
        """Go to a position from the beginning."""

    def read(self, size: int, /) -> bytes:
        """Return so many bytes; fewer at the end alone, or where the rest takes another call."""

    def close(self) -> None:
        """End it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The files of a folder or an archive."""

    source: Path
    entries: tuple[Entry, ...]
    """In the order in which they are best read."""
    left_out: tuple[str, ...]
    """Paths of hidden files and folders."""
    open: Callable[[Path], Stream]
    """Opens a file on disk for reading, unpacked."""
    common_folder: str = ""
    """The folder of an archive that held all else, and was left out."""

    @property
    def size_bytes(self) -> int:
        """Sum of the sizes of its files."""
        return sum(entry.size_bytes for entry in self.entries)


def state_of(found: os.stat_result) -> State:
    """Return the state of a file on disk."""
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def is_hidden(path: str) -> bool:
    """Return whether a file, or a folder above it, is none of the data: .DS_Store, Thumbs.db."""
    return any(part.startswith(".") or part.lower() in _LITTER for part in path.split("/"))


def checked(listing: Listing, faults: Sequence[Fault]) -> Listing:
    """Return a listing that may be pushed.

    Raises:
        InvalidDataset: with its faults, and those of its paths.
        BadInput: where it has no files, too many, or too much of them.
    """
    paths = [entry.path for entry in listing.entries]
    found = [*faults, *clashes(paths)]
    if found:
        raise refusal(listing.source, found)
    if not paths:
        hidden = f" but {len(listing.left_out)} hidden" if listing.left_out else ""
        raise BadInput(f"{listing.source} holds no files{hidden}; there is nothing to push")
    if len(paths) > MOST_FILES:
        raise BadInput(
            f"{listing.source} holds {len(paths):,} files; a data set has at most {MOST_FILES:,}"
        )
    if listing.size_bytes > MOST_BYTES:
        raise BadInput(
            f"{listing.source} holds {listing.size_bytes / 2**30:,.0f} GiB; a data set has at most "
            f"{MOST_BYTES / 2**30:,.0f} GiB"
        )
    return listing


def refusal(source: Path, faults: Sequence[Fault]) -> InvalidDataset:
    """Return what is said of a source that holds what cannot be pushed."""
    count = len(faults)
    what = "a file" if count == 1 else f"{count:,} files"
    heading = f"{source} holds {what} that cannot be pushed; nothing was sent"
    return InvalidDataset(faults, heading)


def name_fault(path: str) -> str:
    """Say what is wrong with a path within a data set; empty where nothing is."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "its name is not UTF-8; rename it"
    parts = path.split("/")
    if path.startswith("/"):
        return "is an absolute path"
    if ".." in parts:
        return "leads out of the data set"
    if any(unicodedata.category(letter) == "Cc" for letter in path):
        return "its name holds control characters; rename it"
    if "\\" in path:
        return "its name holds a backslash; rename it"
    if size > MOST_PATH_BYTES or any(len(part.encode()) > MOST_PART_BYTES for part in parts):
        return (
            f"its path has more than {MOST_PATH_BYTES:,} bytes, or a part of it {MOST_PART_BYTES}"
        )
    if len(parts) > MOST_PARTS:
        return f"its path has more than {MOST_PARTS} parts"
    return ""


def fault(path: str, description: str) -> Fault:
    """Return a fault of a file; its name may hold what no terminal should see."""
    shown = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return Fault(
        field="".join(c if c.isprintable() else repr(c)[1:-1] for c in shown) or "(no name)",
        description=description,
    )


def clashes(paths: Sequence[str]) -> Iterator[Fault]:
    """Yield the paths that another one stands in the way of, on some system."""
    first: dict[str, str] = {}
    folders = {above for path in paths for above in _above(path)}
    for path in paths:
        other = first.setdefault(_folded(path), path)
        if path in folders:
            yield fault(path, "is a file, and a folder with others in it")
        if other is path:
            continue
        if other == path:
            yield fault(path, "stands in it twice")
        else:
            yield fault(path, f"differs from {other} in case alone, or in how letters are composed")


def _above(path: str) -> Iterator[str]:
    """Yield the folders that a path lies in."""
    above = path.rpartition("/")[0]
    while above:
        yield above
        above = above.rpartition("/")[0]


def _folded(path: str) -> str:
    """Return what paths share that are one where case and composition do not count."""
    return path.lower() if path.isascii() else _decomposed(_decomposed(path).casefold())


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)
