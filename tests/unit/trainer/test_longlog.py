"""A log that is longer than it may be: head and tail stay, positions hold, who writes goes on."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fttrain.spec import longlog

MIB = 1 << 20


def lines(first: int, count: int) -> bytes:
    return b"".join(b"line %09d\n" % number for number in range(first, first + count))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[int]:
    """The end of a log that a worker holds open to append."""
    file = os.open(tmp_path / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    yield file
    os.close(file)


def read_all(path: Path) -> bytes:
    """Read as the daemon does: over the hole."""
    with path.open("rb", buffering=0) as file:
        data, position, size = b"", 0, file.seek(0, 2)
        while position < size:
            begin, end = longlog.span(file.fileno(), position)
            file.seek(begin)
            data += file.read(end - begin)
            position = end
        return data


def test_a_long_log_keeps_its_head_and_its_tail_and_takes_no_more_than_it_may(
    tmp_path: Path, log: int
) -> None:
    path = tmp_path / "log.txt"
    written = 0
    while written < 4_000_000:
        written += os.write(log, lines(written // 15, 70_000))
        longlog.cap(path, limit_bytes=MIB)
    os.write(log, b"the very last line\n")

    assert path.stat().st_size == written + len(b"the very last line\n")
    assert path.stat().st_blocks * 512 <= MIB + 8192
    kept = read_all(path)
    assert kept.startswith(lines(0, 1000))
    assert kept.endswith(b"the very last line\n")
    assert kept.count(b"[the middle of this log is left out: it is longer than 1 MiB]\n") == 1
    assert b"\0" not in kept


def test_a_position_in_the_tail_means_the_same_before_and_after(tmp_path: Path, log: int) -> None:
    path = tmp_path / "log.txt"
    size = os.write(log, lines(0, 200_000))

    assert longlog.cap(path, limit_bytes=MIB)

    with path.open("rb") as file:
        file.seek(size - 15)
        assert file.read() == lines(199_999, 1)
        begin = longlog.data_begin(file.fileno(), size)
        assert MIB // 4 < begin < size - 300_000


def test_a_log_within_its_limit_and_none_at_all_are_left_alone(tmp_path: Path, log: int) -> None:
    path = tmp_path / "log.txt"
    os.write(log, lines(0, 1000))

    assert not longlog.cap(path, limit_bytes=MIB)
    assert not longlog.cap(tmp_path / "nothing.txt")
    assert read_all(path) == lines(0, 1000)
    with path.open("rb") as file:
        assert longlog.data_begin(file.fileno(), 15_000) == 0
