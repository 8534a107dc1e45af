"""Which paths a data set's files may have, and which are one where case does not count."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftd.datasets import paths

LONGEST = f"{'x' * 255}/" * 3 + "x" * 255
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
WILD = st.lists(NAMES | st.sampled_from(["..", ".", "", "/", "a\\b", "\0", "x" * 300])).map(
    "/".join
)


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("", "it is empty; each file needs a path"),
        ("/etc/passwd", "`/etc/passwd` is absolute; paths begin within the data set"),
        ("a/../b", "`a/../b` holds `.` or `..`; say it from the data set's own folder"),
        ("..", "`..` holds `.` or `..`; say it from the data set's own folder"),
        ("./a", "`./a` holds `.` or `..`; say it from the data set's own folder"),
        ("a//b", "`a//b` has an empty part; say it without `//` and without `/` at its end"),
        ("a/", "`a/` has an empty part; say it without `//` and without `/` at its end"),
        ("a\\b", "`a\\b` holds a backslash; parts of a path are set apart by `/`"),
        ("a\0b", "`a\\x00b` holds a control character; rename the file"),
        ("a\nb", "`a\\nb` holds a control character; rename the file"),
        ("a\x9bb", "`a\\x9bb` holds a control character; rename the file"),
        ("ä" * 128, f"`{'ä' * 67}...` has a part of more than 255 bytes; rename it"),
        ("d/" * 512 + "a", f"`{('d/' * 34)[:67]}...` has more than 1024 bytes; shorten it"),
        ("d/" * 64 + "a", f"`{('d/' * 34)[:67]}...` has 65 parts, more than 64; move it up"),
    ],
)
def test_what_no_file_may_be_called_is_said(path: str, fault: str) -> None:
    assert paths.fault(path) == fault


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "train/a b/Ä.JPG",
        "..a/b..",
        "日本/語.png",
        "x" * 255,
        "d/" * 63 + "a",
        LONGEST,
    ],
)
def test_what_files_are_called_is_taken(path: str) -> None:
    assert paths.fault(path) is None


@given(WILD)
def test_what_is_taken_lies_within_and_is_said_on_one_line(path: str) -> None:
    if paths.fault(path) is None:
        root = "/srv/data"
        assert os.path.normpath(f"{root}/{path}") == f"{root}/{path}"
        assert Path(root, path).is_relative_to(root)
        assert not set(path) & {"\0", "\n", "\\"}
    assert paths.shown(path).isprintable()


@given(NAMES)
def test_case_and_composition_make_no_other_file(name: str) -> None:
    same = {paths.folded(name)}
    same |= {paths.folded(unicodedata.normalize(form, name)) for form in ("NFC", "NFD")}
    same |= {paths.folded(name.casefold()), paths.folded(name.swapcase().casefold())}

    if name.casefold() == name.swapcase().casefold():  # not of every letter that there is
        assert len(same) == 1


@pytest.mark.parametrize(
    ("one", "other"), [("A/b", "a/B"), ("é", "e\u0301"), ("STRASSE", "straße")]
)
def test_alike_paths_are_one(one: str, other: str) -> None:
    assert paths.folded(one) == paths.folded(other)


def test_other_paths_are_two() -> None:
    assert len({paths.folded(path) for path in ("a", "b", "a/b", "ab", "é", "e")}) == 6
