"""A tar archive as a data set. Nothing is unpacked to disk."""

import posixpath
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from lzma import LZMAError
from pathlib import Path
from typing import IO, cast

from ftctl.errors import BadInput, Fault
from ftctl.upload import unpacking
from ftctl.upload.listing import (
    MOST_BYTES,
    MOST_FILES,
    Entry,
    Listing,
    State,
    checked,
    fault,
    is_hidden,
    name_fault,
    refusal,
    state_of,
)

# What a damaged archive is met with, by tarfile and those who unpack.
DAMAGE = (
    tarfile.TarError, EOFError, OSError, zlib.error, LZMAError, ValueError, RecursionError,
)  # fmt: skip
# A data set has them as its folders: where an archive holds one alone, it stays.
SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test"})
_ODD = {
    tarfile.CHRTYPE: "is a device",
    tarfile.BLKTYPE: "is a device",
    tarfile.FIFOTYPE: "is a named pipe",
}
MOST_HOPS = 16


def listing(file: Path) -> Listing:
    """Return the files of an archive, in its order.

    A folder that holds all else is left out, as if it had been pushed itself, unless it is a split
    (`train`, `val`, `test`).

    Raises:
        InvalidDataset: with all that must not be in a data set.
        BadInput: where it is no archive, or a damaged one.
    """
    state = state_of(file.stat())
    found = _Found(file=file, state=state)
    try:
        with closing(unpacking.opened(file)) as stream:
            _read(stream, found)
    except unpacking.Bomb as bomb:
        raise refusal(file, [*found.faults, fault(found.last, str(bomb))]) from None
    except DAMAGE as error:
        raise BadInput(_damage(file, error)) from None
    entries = [*found.files.values(), *_followed(found)]
    common = _common_folder(entries)
    whole = Listing(
        source=file,
        entries=tuple(_without(common, entry) for entry in entries),
        left_out=tuple(found.left_out),
        open=unpacking.opened,
        common_folder=common,
    )
    return checked(whole, found.faults)


@dataclass(slots=True, kw_only=True)
class _Found:
    """What has been found in an archive."""

    file: Path
    state: State
    files: dict[str, Entry] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    last: str = ""


def _read(stream: unpacking.Bounded, found: _Found) -> None:
    """Read the headers of an archive, one after the other."""
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:") as tar:
        while (member := tar.next()) is not None:
            # tarfile would keep them all.
            tar.members.clear()  # type: ignore[attr-defined]  # typeshed leaves it out
            found.last = member.name
            _take(member, found)
            # Before tarfile goes there, for which all up to it is unpacked.
            stream.allow(member.offset_data + member.size)
            if len(found.files) + len(found.links) > MOST_FILES:
                raise BadInput(
                    f"{found.file} holds more than {MOST_FILES:,} files, "
                    "which is what a data set has at most"
                )
        # Where a header is broken, tarfile goes on as if it were the end.
        stream.seek(tar.offset)
        end = stream.read(tarfile.BLOCKSIZE)
        if len(end) < tarfile.BLOCKSIZE or any(end):
            raise tarfile.ReadError("it ends before its end, or a header is broken")


def _take(member: tarfile.TarInfo, found: _Found) -> None:
    """Sort a member in: a file, a link, or a fault."""
    path = member.name if member.name.startswith("/") else _normal(member.name)
    if told := name_fault(path) or _member_fault(member):
        found.faults.append(fault(member.name, told))
    elif member.isdir():
        found.folders.add(path)
    elif is_hidden(path):
        found.left_out.append(path)
    elif path in found.files or path in found.links:
        found.faults.append(fault(path, "stands in it twice"))
    elif member.issym():
        _take_link(path, posixpath.join(posixpath.dirname(path), member.linkname), member, found)
    elif member.islnk():
        _take_link(path, member.linkname, member, found)
    else:
        found.files[path] = Entry(
            path=path, size_bytes=member.size, file=found.file, state=found.state,
            position=member.offset_data,
        )  # fmt: skip


def _normal(path: str) -> str:
    """Return a path without `.` and doubled `/`; `..` stays."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _member_fault(member: tarfile.TarInfo) -> str:
    if member.type in _ODD:
        return _ODD[member.type]
    if member.issparse():
        return "is a sparse file; pack it anew without `--sparse`"
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        return "is of a kind that tar does not define"
    if member.isfile() and member.size > MOST_BYTES:
        return f"declares {member.size / 2**30:,.0f} GiB; a data set has {MOST_BYTES >> 30:,} GiB"
    return ""


def _take_link(path: str, target: str, member: tarfile.TarInfo, found: _Found) -> None:
    """Take a link in where it stays within the archive."""
    told = posixpath.normpath(target)
    if target.startswith("/") or told.split("/")[0] == "..":
        found.faults.append(fault(path, f"is a link to {member.linkname}, outside the archive"))
    else:
        found.links[path] = told


def _followed(found: _Found) -> Iterator[Entry]:
    """Yield the files that links lead to, under the links' paths."""
    for path, target in found.links.items():
        for _ in range(MOST_HOPS):
            if target not in found.links:
                break
            target = found.links[target]
        if target in found.files:
            yield replace(found.files[target], path=path)
        elif target in found.folders or any(name.startswith(f"{target}/") for name in found.files):
            told = "is a link to a folder; only links to files are followed"
            found.faults.append(fault(path, told))
        elif target in found.links:
            found.faults.append(fault(path, "is a link to itself"))
        else:
            found.faults.append(fault(path, f"is a link to {target}, which is not in it"))


def _common_folder(entries: list[Entry]) -> str:
    """Return the folder that holds all else, where it is only a wrapping."""
    tops = {entry.path.partition("/")[0] for entry in entries}
    if len(tops) != 1:
        return ""
    top = tops.pop()
    is_file = any("/" not in entry.path for entry in entries)
    return "" if is_file or top.lower() in SPLITS else top


def _without(folder: str, entry: Entry) -> Entry:
    return replace(entry, path=entry.path[len(folder) + 1 :]) if folder else entry


def _damage(file: Path, error: Exception) -> str:
    if isinstance(error, tarfile.ReadError) and not unpacking.packing(file):
        with file.open("rb") as stream:
            stream.seek(257)
            if stream.read(5) != b"ustar":
                return (
                    f"{file} is neither a folder nor a tar archive (.tar, .tar.gz, .tgz, .tar.bz2, "
                    ".tar.xz)"
                )
    return f"{file} is damaged: {error}; pack it or fetch it anew"
