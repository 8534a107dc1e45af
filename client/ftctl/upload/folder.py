"""A folder as a data set."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ftctl.errors import Fault
from ftctl.upload.listing import (
    Entry,
    Listing,
    Stream,
    checked,
    fault,
    is_hidden,
    name_fault,
    state_of,
)

_ODD = {
    stat.S_IFSOCK: "is a socket",
    stat.S_IFIFO: "is a named pipe",
    stat.S_IFBLK: "is a device",
    stat.S_IFCHR: "is a device",
}


def listing(folder: Path) -> Listing:
    """Return the files of a folder, by path. Raises InvalidDataset, BadInput."""
    root = folder.resolve()
    entries: list[Entry] = []
    faults: list[Fault] = []
    left_out: list[str] = []
    for path, found in _walk(root, faults, left_out):
        entry = _entry(root, path, found)
        if isinstance(entry, Entry):
            entries.append(entry)
        else:
            faults.append(fault(path, entry))
    entries.sort(key=lambda entry: entry.path)
    found_all = Listing(
        source=folder, entries=tuple(entries), left_out=tuple(sorted(left_out)), open=_open
    )
    return checked(found_all, faults)


def _walk(
    root: Path, faults: list[Fault], left_out: list[str]
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield what is in a folder and those beneath it, but folders and what is hidden."""
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        try:
            with os.scandir(root / inside) as scan:
                found = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            faults.append(fault(inside or ".", f"cannot be read: {error.strerror}"))
            continue
        for entry in found:
            path = f"{inside}/{entry.name}" if inside else entry.name
            if is_hidden(entry.name):
                left_out.append(path)
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            else:
                yield path, entry


def _entry(root: Path, path: str, found: os.DirEntry[str]) -> Entry | str:
    """Return a file, or what is wrong with it."""
    if told := name_fault(path):
        return told
    try:
        file = Path(found.path)
        if found.is_symlink():
            file = file.resolve(strict=True)
            if not file.is_relative_to(root):
                return f"is a link to {file}, outside the folder"
        at = file.stat()
    except (OSError, RuntimeError) as error:
        return _unreadable(error, is_link=found.is_symlink())
    if stat.S_ISDIR(at.st_mode):
        return "is a link to a folder; only links to files are followed"
    if not stat.S_ISREG(at.st_mode):
        return _ODD.get(stat.S_IFMT(at.st_mode), "is no file")
    if not os.access(file, os.R_OK):
        return "cannot be read: Permission denied"
    return Entry(path=path, size_bytes=at.st_size, file=file, state=state_of(at))


def _unreadable(error: Exception, *, is_link: bool) -> str:
    if is_link and isinstance(error, FileNotFoundError):
        return "is a link to nothing"
    if is_link and not isinstance(error, PermissionError):
        return "is a link to itself"
    return f"cannot be read: {getattr(error, 'strerror', error)}"


def _open(file: Path) -> Stream:
    return file.open("rb")
