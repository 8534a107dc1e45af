"""The room that all caches may take: what was not used for longest goes when more is wanted."""

import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from fttrain.cache import segments
from fttrain.cache.segments import INDEX, ROWS

_BLOCK = 512
"""What `stat` counts in."""
_PORTION = 64 << 20
_PARTS = 64
"""Room is given in portions of so many bytes, or such a part of all where that is less: so much
too much may be taken by each of those who ask at the same moment."""
_SPARE = 50
"""This part of a disk is left free, for what cannot be made again."""


def in_mb(size: int) -> str:
    """Return a number of bytes for people."""
    return f"{size / 1e6:,.0f} MB" if size >= 1e6 else f"{size / 1e6:.2g} MB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where caches are, and how much room all of them may take."""

    root: Path
    most_bytes: int
    is_shared: bool = False
    """True if the daemon has them for all jobs."""
    begun_ns: int = field(default_factory=time.time_ns)
    """What was used since then is in use now, by this job or another: it stays."""

    def now(self) -> Self:
        """Return it for somebody who begins now."""
        return replace(self, begun_ns=time.time_ns())

    @property
    def share(self) -> str:
        """The room, for people, and who says how much it is."""
        by = " (`cache_limit` of the daemon)" if self.is_shared else ""
        return f"the {in_mb(self.most_bytes)} that all caches may take{by}"

    def grant(self, least: int) -> int:
        """Return how many bytes may be added: at least so many, or 0.

        Segments that were not used for longest are removed for it.
        """
        self.root.mkdir(parents=True, exist_ok=True)  # It may be removed whenever one likes.
        wanted = max(least, min(_PORTION, self.most_bytes // _PARTS))
        stored = sorted(_stored(self.root), key=lambda each: each.used_ns)
        taken = sum(each.size for each in stored)
        for each in stored:
            if self._left(taken) >= wanted or each.used_ns >= self.begun_ns:
                break
            if each.is_removed():
                taken -= each.size
        left = min(self._left(taken), wanted)
        return left if left >= least else 0

    def _left(self, taken: int) -> int:
        disk = shutil.disk_usage(self.root)
        return min(self.most_bytes - taken, disk.free - disk.total // _SPARE)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A segment as it lies on the disk."""

    rows: Path
    size: int
    used_ns: int

    def is_removed(self) -> bool:
        """Remove it, unless it is being written; tell whether it is gone."""
        with segments.locked(self.rows) as is_alone:
            if not is_alone:
                return False
            # The index first: nobody may find what is half gone.
            self.rows.with_suffix(INDEX).unlink(missing_ok=True)
            self.rows.unlink(missing_ok=True)
        _tidy(self.rows.parent)
        return True


def _stored(root: Path) -> Iterator[_Stored]:
    """Yield the segments of all shelves; remove what is left of others."""
    folders = (folder for kind in segments.listed(root) for folder in segments.listed(kind))
    for folder in folders:
        for name, files in _by_name(folder).items():
            rows = folder / f"{name}{ROWS}"
            if files and not _is_left_over(rows, files):
                yield _Stored(rows, *_size_and_use(files))


def _by_name(folder: Path) -> dict[str, list[Path]]:
    """Return the files of each segment: rows, an index, and indices that are being written."""
    found: dict[str, list[Path]] = defaultdict(list)
    for file in segments.listed(folder):
        name, *rest = file.name.lstrip(".").split(".")
        if f".{rest[0] if rest else ''}" in (ROWS, INDEX):
            found[name].append(file)
    return found


def _is_left_over(rows: Path, files: list[Path]) -> bool:
    """Remove what killed writers left: rows that no index names, indices that never came to be, and
    those without rows. Tell whether nothing remains."""
    if not rows.exists():
        for file in files:
            file.unlink(missing_ok=True)
        return True
    if set(files) == {rows, rows.with_suffix(INDEX)}:
        return False
    with segments.locked(rows) as is_alone:
        # Its writer may have written the index just before it ended.
        is_named = rows.with_suffix(INDEX).exists()
        if is_alone:
            for file in files:
                if file.name.startswith(".") or not is_named:
                    file.unlink(missing_ok=True)
        return is_alone and not is_named


def _size_and_use(files: list[Path]) -> tuple[int, int]:
    """Return how many bytes files take, and when they were used last."""
    size = used_ns = 0
    for file in files:
        with suppress(FileNotFoundError):
            status = file.stat()
            # Of a writer's file the end is a hole: it maps it ahead.
            size += min(status.st_size, status.st_blocks * _BLOCK)
            used_ns = max(used_ns, status.st_mtime_ns)
    return size, used_ns


def _tidy(folder: Path) -> None:
    """Remove a shelf without segments, and what was noted there."""
    with suppress(OSError):  # Somebody begins to add to it again.
        if not _by_name(folder):
            for note in folder.iterdir():
                note.unlink()
            folder.rmdir()
