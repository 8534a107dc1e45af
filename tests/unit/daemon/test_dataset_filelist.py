"""The list of a push's files: what is told of it, within bounds whatever it holds."""

import json
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest

from ftd.datasets import filelist
from ftd.datasets.filelist import Entry, FileList


def sealed(folder: Path, paths: Iterable[str]) -> FileList:
    made = FileList.make(folder / "list.sqlite")
    made.add(Entry(path=path, size_bytes=1, sha256=bytes(32)) for path in paths)
    made.seal(2**40)
    return made


def test_the_first_folders_are_told_with_all_of_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filelist, "MOST_FOLDERS", 3)
    # In order of paths, files of `a` come before and after those of its folders.
    inner = [f"a/{name}/{number}" for name in "bcdefgh" for number in range(2)]
    files = sealed(tmp_path, [*inner, "a/1", "a/z", "z"])

    told = json.loads(files.folders_json())
    files.close()

    assert told == {"": [1, 1], "a": [2, 2], "a/b": [2, 2]}


def test_a_list_of_a_folder_for_each_file_takes_little_memory(tmp_path: Path) -> None:
    name = "x" * 250
    files = sealed(tmp_path, (f"{name}/{name}/{name}/{number}/a" for number in range(30_000)))

    tracemalloc.start()
    told = json.loads(files.folders_json())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    files.close()

    assert len(told) == filelist.MOST_FOLDERS
    assert peak < 12 * 2**20  # all of them are 25 MiB
