"""Folders as data sets, and the digests that are kept of their files."""

import hashlib
import os
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ftctl.errors import BadInput, InvalidDataset
from ftctl.upload import digests, source
from ftctl.upload.content import Reader

LONG_AGO = 1_700_000_000


def put(folder, **files):
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def told(path, error=BadInput):
    with pytest.raises(error) as caught:
        source.listing(path)
    return str(caught.value)


def digested(listing, cache):
    """Return the digest of each file, by path, and which of them were read for it."""
    read = []

    class Reading(Reader):
        def read(self, entry, offset, size):
            read.append(entry.path)
            return super().read(entry, offset, size)

    with digests.Cache(cache) as kept, Reading(listing) as reader:
        found = [x for x in digests.computed(listing, reader, kept) if isinstance(x, bytes)]
    return {e.path: d for e, d in zip(listing.entries, found, strict=True)}, read


@pytest.fixture
def resting(monkeypatch):
    """Have files rest at once."""
    monkeypatch.setattr(digests, "RESTS_AFTER_S", -1.0)


def test_the_files_of_a_folder_are_listed_by_path(tmp_path):
    put(tmp_path, val__b="22", train__b="1", train__a="333", README="4")

    listing = source.listing(tmp_path)

    assert [(entry.path, entry.size_bytes) for entry in listing.entries] == [
        ("README", 1), ("train/a", 3), ("train/b", 1), ("val/b", 2),
    ]  # fmt: skip
    assert listing.size_bytes == 7


def test_hidden_files_and_folders_are_left_out_and_told(tmp_path):
    put(tmp_path, a__x="1")
    for name in (".DS_Store", "a/Thumbs.db", "a/._x", ".git/config", "__MACOSX/a"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")

    listing = source.listing(tmp_path)

    assert [entry.path for entry in listing.entries] == ["a/x"]
    assert listing.left_out == (".DS_Store", ".git", "__MACOSX", "a/._x", "a/Thumbs.db")


def test_links_to_files_within_are_followed_others_refused(tmp_path):
    inside = put(tmp_path / "photos", a__x="photo")
    put(tmp_path, secret="s")
    (inside / "b").mkdir()
    (inside / "b" / "y").symlink_to("../a/x")
    assert [entry.size_bytes for entry in source.listing(inside).entries] == [5, 5]

    (inside / "out").symlink_to(tmp_path / "secret")
    (inside / "folder").symlink_to("a")
    (inside / "gone").symlink_to("nothing")
    (inside / "loop").symlink_to("loop")

    assert told(inside, InvalidDataset) == (
        f"{inside} holds 4 files that cannot be pushed; nothing was sent\n"
        "  folder: is a link to a folder; only links to files are followed\n"
        "  gone: is a link to nothing\n"
        "  loop: is a link to itself\n"
        f"  out: is a link to {tmp_path}/secret, outside the folder"
    )


def test_what_is_no_file_is_refused(tmp_path):
    put(tmp_path, x="1")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "sock"))

        assert told(tmp_path, InvalidDataset).splitlines()[1:] == [
            "  pipe: is a named pipe", "  sock: is a socket",
        ]  # fmt: skip


def test_names_that_no_daemon_takes_are_refused(tmp_path):
    put(tmp_path, x="1")
    (tmp_path / "a\nb").write_text("1")
    (tmp_path / "X").write_text("1")
    with open(os.fsencode(tmp_path) + b"/\xff", "w") as file:  # noqa: PTH123 - no Path has bytes
        file.write("1")

    assert told(tmp_path, InvalidDataset).splitlines()[1:] == [
        "  a\\nb: its name holds control characters; rename it",
        "  \\xff: its name is not UTF-8; rename it",
        "  x: differs from X in case alone, or in how letters are composed",
    ]


def test_an_empty_folder_is_told(tmp_path):
    assert told(tmp_path) == f"{tmp_path} holds no files; there is nothing to push"


def test_a_file_that_changes_after_it_was_listed_is_told(tmp_path):
    put(tmp_path, x="1")
    listing = source.listing(tmp_path)
    put(tmp_path, x="22")

    with Reader(listing) as reader, pytest.raises(BadInput) as caught:
        reader.read(listing.entries[0], 0, 1)

    assert str(caught.value) == (
        f"{tmp_path}/x has changed since it was first looked at; push again once it rests"
    )


def test_digests_are_of_the_content(tmp_path):
    put(tmp_path / "in", x="photo", empty="")

    found, _ = digested(source.listing(tmp_path / "in"), tmp_path / "cache")

    assert found == {
        "x": hashlib.sha256(b"photo").digest(), "empty": hashlib.sha256(b"").digest(),
    }  # fmt: skip


@pytest.mark.usefixtures("resting")
def test_files_that_rest_are_read_once(tmp_path):
    put(tmp_path / "in", x="photo", y="other")
    first, read = digested(source.listing(tmp_path / "in"), tmp_path / "cache")
    assert read == ["x", "y"]

    again, read = digested(source.listing(tmp_path / "in"), tmp_path / "cache")
    assert (again, read) == (first, [])

    # As large as before, and with its times put back.
    at = (tmp_path / "in" / "y").stat()
    put(tmp_path / "in", y="OTHER")
    os.utime(tmp_path / "in" / "y", ns=(at.st_atime_ns, at.st_mtime_ns))
    found, read = digested(source.listing(tmp_path / "in"), tmp_path / "cache")
    assert read == ["y"]
    assert found["y"] == hashlib.sha256(b"OTHER").digest()


def test_a_file_that_was_just_written_is_read_again(tmp_path):
    put(tmp_path / "in", x="photo")

    for _ in range(2):
        _, read = digested(source.listing(tmp_path / "in"), tmp_path / "cache")
        assert read == ["x"]


@pytest.mark.usefixtures("resting")
def test_forgotten_digests_are_computed_anew(tmp_path):
    put(tmp_path / "in", x="photo")
    listing = source.listing(tmp_path / "in")
    digested(listing, tmp_path / "cache")

    with digests.Cache(tmp_path / "cache") as cache:
        cache.forget(listing)

    assert digested(listing, tmp_path / "cache")[1] == ["x"]


def test_a_cache_that_cannot_be_used_is_none(tmp_path):
    put(tmp_path / "in", x="photo")
    (tmp_path / "file").write_text("no database" * 100)

    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        found, read = digested(source.listing(tmp_path / "in"), place)
        assert (len(found), read) == (1, ["x"])


def test_a_cache_may_be_left_while_a_thread_still_asks(tmp_path):
    put(tmp_path / "in", x="photo")
    (entry,) = source.listing(tmp_path / "in").entries
    over = threading.Event()

    def ask(cache):
        while not over.wait(0):
            assert cache.get(entry) is None

    with ThreadPoolExecutor(1) as pool:
        for _ in range(100):  # The process ended where SQLite was let go amid a question.
            over.clear()
            with digests.Cache(tmp_path / "cache") as cache:
                asked = pool.submit(ask, cache)
            over.set()
            asked.result()


@pytest.mark.usefixtures("resting")
def test_digests_that_were_not_asked_for_long_are_dropped(tmp_path, monkeypatch):
    put(tmp_path / "in", x="photo")
    monkeypatch.setattr(time, "time", lambda: LONG_AGO)
    digested(source.listing(tmp_path / "in"), tmp_path / "cache")
    monkeypatch.undo()

    digests.Cache(tmp_path / "cache").__exit__()

    rows = sqlite3.connect(tmp_path / "cache")
    assert rows.execute("SELECT count(*) FROM digests").fetchone() == (0,)
    rows.close()


def test_the_cache_is_the_users(tmp_path):
    assert digests.place({"XDG_CACHE_HOME": "/c"}).as_posix() == "/c/finetuned/digests.sqlite"
    assert digests.place({}).name == "digests.sqlite"
