"""What is kept of images is there whole or not at all, whoever is killed, within bounds."""

import os
import resource
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest

from fttrain.cache.room import Place
from fttrain.cache.segments import Full, Rows, Writer
from fttrain.cache.shelf import Shelf
from tests.fakes.writer import a_writer, key

BYTES = np.dtype(np.uint8)


def any_room(least: int) -> int:
    return least


def add(folder: Path, arrays: dict[int, Rows]) -> None:
    dtype = next(iter(arrays.values())).dtype
    with Writer(folder, dtype, any_room) as writer:
        for number, array in arrays.items():
            writer.add(key(number), array)


def found(folder: Path, *numbers: int) -> list[Rows | None]:
    return Shelf(folder).find([key(number) for number in numbers])


def test_what_was_added_is_found_by_its_key_in_its_shape_and_type(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    arrays: dict[int, Rows] = {
        number: chance.standard_normal(shape).astype(np.float32)
        for number, shape in enumerate([(3,), (2, 3), (), (1, 0, 4), (5, 1, 2, 3)])
    }
    add(tmp_path, arrays)

    for number, array in arrays.items():
        (again,) = found(tmp_path, number)
        assert again is not None
        assert (again.dtype, again.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(again, array)
    assert found(tmp_path, 77) == [None]


def test_a_writer_finds_what_it_has_added_itself(tmp_path: Path) -> None:
    arrays: dict[int, Rows] = {n: np.full((n, 7), n, np.float32) for n in range(40)}
    with Writer(tmp_path, np.dtype(np.float32), any_room) as writer:
        for number, array in arrays.items():
            writer.add(key(number), array)
            for place, own in enumerate(writer.find([key(n) for n in range(number + 1)])):
                assert own is not None
                np.testing.assert_array_equal(own, arrays[place])
        assert writer.find([key(77)]) == [None]
    assert [array is not None for array in found(tmp_path, *range(40))] == [True] * 40


def test_an_empty_shelf_has_nothing(tmp_path: Path) -> None:
    assert found(tmp_path / "new", 1, 2) == [None, None]
    assert found(tmp_path / "new") == []


def test_several_writers_at_once_do_not_meet(tmp_path: Path) -> None:
    with Writer(tmp_path, BYTES, any_room) as one, Writer(tmp_path, BYTES, any_room) as other:
        one.add(key(1), np.array([1], np.uint8))
        other.add(key(2), np.array([2], np.uint8))
        other.add(key(1), np.array([1], np.uint8))  # both had to make it
        assert found(tmp_path, 1) == [None]
    first, second = found(tmp_path, 1, 2)
    assert first is not None
    assert second is not None
    assert (first.tolist(), second.tolist()) == ([1], [2])


def test_of_a_writer_that_is_killed_stays_what_its_index_names(tmp_path: Path) -> None:
    with a_writer(tmp_path, arrays=25, indexed_bytes=1000) as process:
        process.kill()
        process.wait()
        kept = [array is not None for array in found(tmp_path, *range(25))]
        assert kept == [True] * 24 + [False]
        for number, array in enumerate(found(tmp_path, *range(24))):
            assert array is not None
            assert array.tolist() == [number] * 100


@pytest.mark.parametrize("suffix", [".index", ".rows"])
@pytest.mark.parametrize("size", [0, 10, 120])
def test_what_is_cut_short_is_not_there(tmp_path: Path, suffix: str, size: int) -> None:
    add(tmp_path, {1: np.zeros(200, np.uint8)})
    (file,) = tmp_path.glob(f"*{suffix}")
    os.truncate(file, size)
    assert found(tmp_path, 1) == [None]


def test_an_index_that_was_changed_is_not_believed(tmp_path: Path) -> None:
    add(tmp_path, {1: np.zeros(200, np.uint8)})
    (index,) = tmp_path.glob("*.index")
    content = bytearray(index.read_bytes())
    content[-1] ^= 1
    index.write_bytes(content)
    assert found(tmp_path, 1) == [None]


def test_a_shelf_that_is_removed_stays_with_who_has_mapped_it(tmp_path: Path) -> None:
    place = tmp_path / "features" / "a"
    add(place, {1: np.arange(100, dtype=np.uint8)})
    (array,) = found(place, 1)
    assert Place(root=tmp_path, most_bytes=0).grant(1) == 0
    assert not place.exists()
    assert array is not None
    assert array.tolist() == list(range(100))


def test_a_writer_takes_no_more_than_it_may(tmp_path: Path) -> None:
    shelf, place = tmp_path / "features" / "a", Place(root=tmp_path, most_bytes=256)
    with Writer(shelf, BYTES, place.grant) as writer:
        for number in range(2):
            writer.add(key(number), np.zeros(100, np.uint8))
        with pytest.raises(Full, match=r"^the caches take all that they may$"):
            writer.add(key(2), np.zeros(100, np.uint8))
    assert [array is not None for array in found(shelf, 0, 1, 2)] == [True, True, False]


def test_what_was_read_and_let_go_is_no_memory_of_this_process(tmp_path: Path) -> None:
    size = 32 << 20
    add(tmp_path, {1: np.ones(size, np.uint8)})
    shelf = Shelf(tmp_path)
    before = psutil.Process().memory_info().shared
    (array,) = shelf.find([key(1)])
    assert array is not None
    assert int(array.sum()) == size
    assert psutil.Process().memory_info().shared - before > size // 2

    shelf.let_go()

    assert psutil.Process().memory_info().shared - before < size // 2
    assert int(array.sum()) == size


def test_a_full_disk_keeps_what_was_added_before(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(Full, match=r"^there is no room: File too large$"):
            add(tmp_path, {n: np.zeros(400, np.uint8) for n in range(3)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert [array is not None for array in found(tmp_path, 0, 1, 2)] == [True, True, False]
