"""Folders of classes, and the image files in them."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from fttrain.data.samples import printable

EXTENSIONS = ("jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff")
_JUNK = (b"__MACOSX", b"Thumbs.db")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An image file."""

    path: bytes
    """Relative to the root."""
    size: int
    mtime_ns: int


Classes = dict[str, list[Entry]]
"""The images of each class."""


def natural(name: str) -> tuple[list[str | int], str]:
    """Return a key that sorts as people count: 1, 2, 10."""
    # Text and numbers take turns, so that like is always compared with like.
    parts = re.split("([0-9]+)", name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def scan(root: bytes, name: bytes) -> tuple[Classes, list[bytes]]:
    """Return the classes of one folder beneath a root, `b""` for the root itself, and the paths of
    all files that are no images.

    Raises:
        FileNotFoundError, NotADirectoryError, PermissionError: where it cannot be read.
    """
    classes: Classes = {}
    left_out: list[bytes] = []
    with os.scandir(os.path.join(root, name)) as entries:  # noqa: PTH118
        for item in entries:
            path = name + b"/" + item.name if name else item.name
            if not item.is_dir():
                left_out.append(path)
            elif _is_junk(item.name):
                left_out += _all_files(root, path)
            else:
                classes[printable(item.name)] = _scan_class(root, path, left_out)
    return classes, left_out


def _scan_class(root: bytes, path: bytes, left_out: list[bytes]) -> list[Entry]:
    images = []
    for file, is_junk in _walk(root, path, is_junk=False, above=()):
        found = None if is_junk or not _has_image_name(file) else entry(root, file)
        if found is None:
            left_out.append(file)
        else:
            images.append(found)
    return sorted(images, key=lambda image: image.path)


def _all_files(root: bytes, path: bytes) -> list[bytes]:
    return [file for file, _ in _walk(root, path, is_junk=True, above=())]


def _walk(
    root: bytes, path: bytes, *, is_junk: bool, above: tuple[tuple[int, int], ...]
) -> Iterator[tuple[bytes, bool]]:
    """Yield each file beneath, links followed, with whether it or a folder above it is junk."""
    place = os.path.join(root, path)  # noqa: PTH118
    status = os.stat(place)  # noqa: PTH116
    identity = (status.st_dev, status.st_ino)
    if identity in above:  # A link that leads back up.
        return
    with os.scandir(place) as entries:
        for item in entries:
            below, junk = path + b"/" + item.name, is_junk or _is_junk(item.name)
            if item.is_dir():
                yield from _walk(root, below, is_junk=junk, above=(*above, identity))
            else:
                yield below, junk


def entry(root: bytes, path: bytes) -> Entry | None:
    """Return a file's entry; None where it is no plain file or there cannot be one.

    Raises:
        PermissionError: where that must not be known.
    """
    try:
        status = os.stat(os.path.join(root, path))  # noqa: PTH116, PTH118
    except PermissionError:
        raise
    except OSError:  # A link to nowhere, a file as a folder, a name that is too long.
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return Entry(path=path, size=status.st_size, mtime_ns=status.st_mtime_ns)


def _is_junk(name: bytes) -> bool:
    return name.startswith(b".") or name in _JUNK


def _has_image_name(path: bytes) -> bool:
    return path.rpartition(b".")[2].lower().decode(errors="replace") in EXTENSIONS
