"""A log that grows without end: its head and its tail stay, the middle is given back. Torch-free.

Who writes it holds the file open and appends; it cannot be told to write elsewhere. So the file
stays as long as it says, all positions in it hold, and the blocks of the middle are punched out:
a hole, which takes no room and is passed over by who reads.
"""

import ctypes
import os
from pathlib import Path

LIMIT_BYTES = 64 << 20
"""Of a job's log. What an attempt prints beyond it costs its middle."""
DAEMONS_BYTES = 8 << 20
"""Of the zygote's log."""
_HEAD_SHARE = 4
"""One in so many of the bytes that stay are the head's."""
_BLOCK = 4096
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # From linux/falloc.h.
NOTE = b"\n[the middle of this log is left out: it is longer than %d MiB]\n"


def cap(path: Path, *, limit_bytes: int = LIMIT_BYTES) -> bool:
    """Give the middle of a log back where it takes more than it may; return whether that was so.

    Where the file system has no holes, or there is no log, nothing happens.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        told = os.fstat(file)
        if told.st_blocks * 512 <= limit_bytes:
            return False
        head = limit_bytes // _HEAD_SHARE // _BLOCK * _BLOCK
        # Half of the tail, so that it is not done again for every line.
        tail = (limit_bytes - head) // 2
        end = (told.st_size - tail) // _BLOCK * _BLOCK
        if end <= head + _BLOCK:
            return False
        return _punch(file, head, end, limit_bytes)
    finally:
        os.close(file)


def span(file: int, offset: int) -> tuple[int, int]:
    """Return where the next data from a position on begins and ends; both the end: there is none.

    What is being written at the end grows beyond what this says.
    """
    size = os.fstat(file).st_size
    try:
        begin = os.lseek(file, offset, os.SEEK_DATA)
        return begin, os.lseek(file, begin, os.SEEK_HOLE)
    except OSError:  # none behind it, or a file system that knows no holes
        return min(offset, size), size


def data_begin(file: int, position: int) -> int:
    """Return where the data begins that ends at a position: behind the last hole before it."""
    begin, end = span(file, 0)
    while end < position:
        following, end = span(file, end)
        if following == end:
            break
        begin = following
    return begin


def _punch(file: int, begin: int, end: int, limit_bytes: int) -> bool:
    note = NOTE % (limit_bytes >> 20)
    if os.pread(file, len(note), begin) != note:
        os.pwrite(file, note, begin)
    libc = ctypes.CDLL(None, use_errno=True)
    offset, length = ctypes.c_int64(begin + _BLOCK), ctypes.c_int64(end - begin - _BLOCK)
    # The rest of the note's block is no hole: blanked, so that it reads as nothing but the note.
    os.pwrite(file, b"\n" * (_BLOCK - len(note)), begin + len(note))
    return bool(libc.fallocate(file, _KEEP_SIZE | _PUNCH_HOLE, offset, length) == 0)
