"""What all caches take stays within bounds, and goes in the order in which it was used."""

import fcntl
import os
import shutil
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from fttrain.cache import segments, shelf
from fttrain.cache.kept import Kept
from fttrain.cache.room import Place
from fttrain.cache.segments import Key, Writer
from tests.fakes.writer import a_writer

BYTES = np.dtype(np.uint8)
SIZE = 10_000


class Disk(NamedTuple):
    total: int
    used: int
    free: int


def key(number: int) -> Key:
    return number.to_bytes(16, "big")


def row(number: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.full(SIZE, number, np.uint8)


def keep(place: Place, *numbers: int, name: str = "a") -> list[bool]:
    """Keep arrays, and what is found of them where they are there; return which were there."""
    kept = Kept(place.root / "pictures" / name, place.now())
    were_there = [kept.find([key(number)])[0] is not None for number in numbers]
    for number, was_there in zip(numbers, were_there, strict=True):
        if not was_there:
            kept.add(key(number), row(number))
    kept.turn()
    kept.close()
    return were_there


def rows_of(root: Path) -> list[Path]:
    return sorted(root.rglob("*.rows"))


def age(root: Path, seconds: int) -> None:
    """Have all that lies there be used so much earlier."""
    for file in root.rglob("*.*"):
        used = file.stat().st_mtime - seconds
        os.utime(file, (used, used))


def test_another_set_on_the_same_shelf_takes_the_place_of_what_was_not_used_for_longest(
    tmp_path: Path,
) -> None:
    place = Place(root=tmp_path, most_bytes=10 * SIZE)
    one, other, third = range(4), range(10, 14), range(20, 24)
    keep(place, *one)
    age(tmp_path, 100)
    keep(place, *other)
    age(tmp_path, 100)

    assert not any(keep(place, *third))
    assert all(keep(place, *third))
    assert all(keep(place, *other))
    assert not any(keep(place, *one))


def test_what_is_used_is_not_what_was_not_used_for_longest(tmp_path: Path) -> None:
    place = Place(root=tmp_path, most_bytes=10 * SIZE)
    keep(place, *range(4), name="a")
    age(tmp_path, 100)
    keep(place, *range(4), name="b")
    age(tmp_path, 100)
    assert all(keep(place, *range(4), name="a"))

    keep(place, *range(4), name="c")

    assert [folder.name for folder in sorted(tmp_path.glob("*/*"))] == ["a", "c"]


def test_what_others_use_at_this_time_stays(tmp_path: Path) -> None:
    place = Place(root=tmp_path, most_bytes=10 * SIZE)
    mine = Kept(tmp_path / "pictures" / "mine", place)
    keep(place, *range(8), name="theirs")

    assert [mine.add(key(number), row(number)) for number in range(3)] == [True, False, False]
    assert mine.is_full
    mine.close()
    assert all(keep(place, *range(8), name="theirs"))


def test_what_is_removed_amid_a_job_is_kept_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "pictures" / "a", Place(root=tmp_path, most_bytes=10 * SIZE))
    kept.add(key(1), row(1))
    shutil.rmtree(tmp_path / "pictures")

    kept.turn()
    assert not kept.is_full
    assert kept.add(key(1), row(1))
    kept.close()
    assert keep(Place(root=tmp_path, most_bytes=10 * SIZE), 1) == [True]


def test_what_was_removed_is_let_go_unless_it_is_used(tmp_path: Path) -> None:
    place = Place(root=tmp_path, most_bytes=10 * SIZE)
    keep(place, 1)
    keep(place, 2)
    kept = Kept(tmp_path / "pictures" / "a", place)
    assert kept.find([key(1)])[0] is not None
    shutil.rmtree(tmp_path / "pictures")

    kept.turn()

    assert [found is not None for found in kept.find([key(1), key(2)])] == [True, False]


def test_part_of_the_disk_is_left_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(root=tmp_path, most_bytes=100 * SIZE)
    free = [3 * SIZE]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(100 * SIZE, 0, free[0]))

    assert place.grant(2 * SIZE) == 0
    assert place.grant(SIZE) == SIZE
    free[0] = SIZE
    assert place.grant(SIZE) == 0


@pytest.mark.parametrize("which", ["pictures", "pictures/a"])
def test_a_place_where_nothing_can_be_written_is_full(tmp_path: Path, which: str) -> None:
    (tmp_path / which).parent.mkdir(exist_ok=True)
    (tmp_path / which).write_text("no folder")
    kept = Kept(tmp_path / "pictures" / "a", Place(root=tmp_path, most_bytes=10 * SIZE))

    assert kept.find([key(1)]) == [None]
    assert not kept.add(key(1), row(1))
    assert kept.is_full
    kept.turn()
    kept.close()


def test_a_shelf_that_is_removed_just_as_a_writer_begins_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(root=tmp_path, most_bytes=10 * SIZE)
    plainly, removed = Path.mkdir, []

    def made(path: Path, *args: Any, **options: Any) -> None:
        plainly(path, *args, **options)
        if not removed:
            removed.append(path)
            path.rmdir()

    monkeypatch.setattr(Path, "mkdir", made)
    keep(place, 1)

    assert removed
    assert keep(place, 1) == [True]


@pytest.mark.parametrize("what", ["", "pictures", "pictures/a"])
def test_a_cache_that_is_removed_just_as_it_is_looked_at_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    place = Place(root=tmp_path / "cache", most_bytes=10 * SIZE)
    keep(place, 1)
    removed: list[Path] = []

    def removing(plainly: Any) -> Any:
        def listed(path: Any) -> Any:
            if not isinstance(path, int) and Path(path) == place.root / what and not removed:
                removed.append(Path(path))
                shutil.rmtree(path)
            return plainly(path)

        return listed

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", removing(os.listdir))
        patch.setattr(os, "scandir", removing(os.scandir))
        keep(place, 2)

    assert removed
    keep(place, 2)  # Where its writer had begun, it is lost.
    assert keep(place, 2) == [True]


def test_what_was_added_is_found_by_others_once_there_is_no_room_for_more(tmp_path: Path) -> None:
    place = Place(root=tmp_path, most_bytes=3 * SIZE)
    kept = Kept(tmp_path / "pictures" / "a", place)
    added = [kept.add(key(number), row(number)) for number in range(4)]

    assert added == [True, True, False, False]
    other = Kept(tmp_path / "pictures" / "a", place)
    assert [found is not None for found in other.find([*map(key, range(4))])] == added
    kept.close()


def test_of_a_large_set_each_part_is_a_segment_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "_WHOLE_ROWS", 3)
    place = Place(root=tmp_path, most_bytes=20 * SIZE)
    kept = Kept(tmp_path / "pictures" / "a", place)
    for number in range(8):
        kept.add(key(number), row(number))
    assert len(rows_of(tmp_path)) == 3
    found = kept.find([key(number) for number in range(9)])
    kept.close()

    assert [each[0] if each is not None else None for each in found] == [*range(8), None]
    assert keep(place, *range(9)) == [True] * 8 + [False]


def test_an_index_that_stayed_as_it_was_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(root=tmp_path, most_bytes=10 * SIZE)
    keep(place, 1)
    kept = Kept(tmp_path / "pictures" / "a", place)
    assert kept.find([key(1)])[0] is not None
    keep(place, 2)
    read: list[Path] = []
    plainly = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path) or plainly(path))

    kept.look()
    kept.turn()

    assert len(read) == 1
    assert [found is not None for found in kept.find([key(1), key(2)])] == [True, True]


def test_of_many_segments_those_used_last_are_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "_MOST_SEGMENTS", 3)
    place = Place(root=tmp_path, most_bytes=100 * SIZE)
    keep(place, 0)
    kept = Kept(tmp_path / "pictures" / "a", place)
    assert kept.find([key(0)])[0] is not None
    for number in range(1, 5):
        age(tmp_path, 100)
        keep(place, number)

    for look in (kept.look, kept.turn):
        look()
        found = [each is not None for each in kept.find([*map(key, range(5))])]
        assert found == [False, False, True, True, True]


def test_what_a_writer_maps_ahead_takes_no_room(tmp_path: Path) -> None:
    with Writer(tmp_path / "features" / "mine", BYTES, lambda least: least) as writer:
        writer.add(key(0), np.ones(4 << 20, np.uint8))
        assert writer.find([key(0)])[0] is not None
        place = Place(root=tmp_path, most_bytes=6 << 20)
        assert place.grant(1 << 20) == 1 << 20
        assert place.grant(3 << 20) == 0
        assert len(rows_of(tmp_path)) == 1


def test_rows_without_an_index_go_when_their_writer_is_gone(tmp_path: Path) -> None:
    place = Place(root=tmp_path, most_bytes=10 * SIZE)
    with a_writer(tmp_path / "pictures" / "a") as process:
        assert place.grant(1) > 0
        assert len(rows_of(tmp_path)) == 1  # it lives
        process.kill()
        process.wait()
        assert place.grant(1) > 0
        assert rows_of(tmp_path) == []


def test_rows_that_get_their_index_while_they_are_looked_at_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(root=tmp_path, most_bytes=10 * SIZE)
    keep(place, 1)
    (rows,) = rows_of(tmp_path)
    index = rows.with_suffix(".index").rename(tmp_path / "index")
    lock = fcntl.flock

    def settled(file: FileIO, how: int) -> None:
        lock(file, how)
        index.rename(rows.with_suffix(".index"))

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", settled)
        place.grant(1)

    assert keep(place, 1) == [True]


def test_what_killed_writers_leave_beside_rows_goes_and_what_is_whole_stays(tmp_path: Path) -> None:
    place = Place(root=tmp_path, most_bytes=10 * SIZE)
    keep(place, 1)
    (rows,) = rows_of(tmp_path)
    aside = rows.with_name(f".{rows.stem}.index.77")
    alone = rows.with_name("0123.index")
    note = rows.with_name("alike-3-32-32")
    for file in (aside, alone, note):
        file.write_text("1")

    place.grant(1)

    assert sorted(rows.parent.iterdir()) == sorted([rows, rows.with_suffix(".index"), note])
    assert keep(place, 1) == [True]
