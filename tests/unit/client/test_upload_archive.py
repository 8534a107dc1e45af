"""Archives as data sets: what is taken from them, and what is refused, word for word."""

import tarfile

import pytest

from ftctl.errors import BadInput, InvalidDataset
from ftctl.upload import source
from ftctl.upload.content import Reader
from tests.fakes.archives import BOMB, HOSTILE, PHOTO, bomb, link, member, pack, refusal


def contents(listing):
    with Reader(listing) as reader:
        return {entry.path: reader.read(entry, 0, entry.size_bytes) for entry in listing.entries}


def told(path, error=BadInput):
    with pytest.raises(error) as caught:
        source.listing(path)
    return str(caught.value)


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_an_archive_is_read_however_it_is_packed(tmp_path, ending):
    mode = {"tgz": "w:gz"}.get(ending, f"w:{ending.partition('.')[2]}")
    files = [member(f"train/a/{n}.jpg", bytes([n]) * n * 1000) for n in range(1, 30)]

    listing = source.listing(pack(tmp_path / f"photos.{ending}", *files, mode=mode))

    assert contents(listing) == {info.name: content for info, content in files}


def test_content_is_read_from_any_position_of_a_packed_archive(tmp_path):
    files = [member(f"{n}/x.jpg", bytes(range(256)) * 400) for n in range(3)]
    listing = source.listing(pack(tmp_path / "x.tar.xz", *files, mode="w:xz"))
    first, _, last = listing.entries

    with Reader(listing) as reader:
        assert reader.read(last, 300, 5) == bytes(range(44, 49))
        assert reader.read(first, 255, 2) == b"\xff\x00"


def test_the_hostile_are_refused_by_name(tmp_path):
    said = {}
    for number, (kind, (members, fault)) in enumerate(HOSTILE.items()):
        path = pack(tmp_path / f"{number}.tar", *members)
        said[kind] = (told(path, InvalidDataset), refusal(path, fault))

    assert {kind: found for kind, (found, _) in said.items()} == {
        kind: wanted for kind, (_, wanted) in said.items()
    }


def test_a_bomb_of_ten_thousand_to_one_is_not_unpacked(tmp_path):
    path = bomb(tmp_path / "bomb.tar.bz2")
    assert 32 * 2**20 / path.stat().st_size > 10_000

    assert told(path, InvalidDataset) == refusal(path, BOMB)


def test_a_bomb_in_a_header_is_not_read(tmp_path):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 2**32
    (tmp_path / "x.tar").write_bytes(info.tobuf() + bytes(10240))

    assert told(tmp_path / "x.tar", InvalidDataset) == refusal(
        tmp_path / "x.tar", "  (no name): has a header of 4,294,967,296 bytes"
    )


def test_headers_without_end_are_damage(tmp_path):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 0
    (tmp_path / "x.tar").write_bytes(info.tobuf() * 5000 + bytes(10240))

    assert told(tmp_path / "x.tar").startswith(f"{tmp_path}/x.tar is damaged: ")


def test_all_faults_are_told_at_once_and_not_more_than_ten_by_name(tmp_path):
    devices = [member(f"d/{n}", type=tarfile.BLKTYPE) for n in range(13)]
    path = pack(tmp_path / "x.tar", member("/a", b"x"), *devices)

    with pytest.raises(InvalidDataset) as caught:
        source.listing(path)

    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path} holds 14 files that cannot be pushed; nothing was sent"
    assert lines[1:3] == ["  /a: is an absolute path", "  d/0: is a device"]
    assert lines[-1] == "  and 4 more"
    assert (len(lines), len(caught.value.faults)) == (12, 14)


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ([PHOTO, PHOTO], "train/ants/1.jpg: stands in it twice"),
        (
            [PHOTO, member("train/ants", b"file")],
            "train/ants: is a file, and a folder with others in it",
        ),
        ([PHOTO, member("train/a\x1b[2Jb", b"x")],
         "train/a\\x1b[2Jb: its name holds control characters; rename it"),
        ([PHOTO, member("train/a\\b", b"x")],
         "train/a\\b: its name holds a backslash; rename it"),
        (
            [PHOTO, member("train/" + "x" * 256, b"x")],
            f"train/{'x' * 256}: its path has more than 1,024 bytes, or a part of it 255",
        ),
        (
            [PHOTO, member("d/" * 64 + "a", b"x")],
            f"{'d/' * 64}a: its path has more than 64 parts",
        ),
        (
            [PHOTO, member("train/a\u0308.jpg", b"x"), member("train/\xe4.jpg", b"y")],
            "train/\xe4.jpg: differs from train/a\u0308.jpg in case alone, or in how letters are "
            "composed",
        ),
        ([PHOTO, link("l", "train/ants")],
         "l: is a link to a folder; only links to files are followed"),
        ([PHOTO, link("l", "gone.jpg")], "l: is a link to gone.jpg, which is not in it"),
        ([PHOTO, link("l", "l")], "l: is a link to itself"),
        ([PHOTO, member("x", type=b"Z")], "x: is of a kind that tar does not define"),
    ],
)  # fmt: skip
def test_what_cannot_be_in_a_data_set_is_refused(tmp_path, members, fault):
    path = pack(tmp_path / "x.tar", *members)

    assert told(path, InvalidDataset).splitlines()[1:] == [f"  {fault}"]


def test_links_within_are_followed(tmp_path):
    files = [
        PHOTO, link("train/bees/1.jpg", "../ants/1.jpg"), link("val/1.jpg", "../train/bees/1.jpg"),
        link("val/2.jpg", "train/ants/1.jpg", tarfile.LNKTYPE),
    ]  # fmt: skip

    found = contents(source.listing(pack(tmp_path / "x.tar", *files)))

    assert found == dict.fromkeys(
        ["train/ants/1.jpg", "train/bees/1.jpg", "val/1.jpg", "val/2.jpg"], b"photo"
    )


@pytest.mark.parametrize(
    ("names", "paths", "common"),
    [
        (["cars/train/a/1", "cars/val/a/1"], ["train/a/1", "val/a/1"], "cars"),
        (["./cars/a/1", "./cars/README"], ["a/1", "README"], "cars"),
        (["cars/._x", "._cars", "cars/1", ".DS_Store"], ["1"], "cars"),
        (["train/a/1", "train/b/1"], ["train/a/1", "train/b/1"], ""),
        (["a/1", "b/1"], ["a/1", "b/1"], ""),
        (["1", "2"], ["1", "2"], ""),
    ],
)
def test_a_folder_that_holds_all_else_is_left_out(tmp_path, names, paths, common):
    listing = source.listing(pack(tmp_path / "x.tar", *(member(n, b"x") for n in names)))

    assert [entry.path for entry in listing.entries] == paths
    assert listing.common_folder == common


def test_hidden_files_are_left_out_and_told(tmp_path):
    names = ["a/1.jpg", "a/.DS_Store", "__MACOSX/a/._1.jpg", "a/Thumbs.db", "b/._2.jpg"]

    listing = source.listing(pack(tmp_path / "x.tar", *(member(name, b"x") for name in names)))

    assert [entry.path for entry in listing.entries] == ["1.jpg"]
    assert listing.left_out == tuple(names[1:])


def test_what_is_no_archive_is_told(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04" + bytes(600))
    (tmp_path / "x.jpg").write_bytes(b"\xff\xd8" * 600)
    (tmp_path / "x.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(600))
    empty = pack(tmp_path / "empty.tar", member(".DS_Store", b"x"))

    assert told(tmp_path / "x.zip") == (
        f"{tmp_path}/x.zip is a zip file; unpack it and push the folder, or pack it as .tar"
    )
    assert told(tmp_path / "x.jpg") == (
        f"{tmp_path}/x.jpg is neither a folder nor a tar archive (.tar, .tar.gz, .tgz, .tar.bz2, "
        ".tar.xz)"
    )
    assert told(tmp_path / "nothing") == (
        f"there is no {tmp_path}/nothing; a folder or a tar archive is pushed"
    )
    assert told(empty) == f"{empty} holds no files but 1 hidden; there is nothing to push"
    assert told("/dev/null") == "/dev/null is neither a folder nor a tar archive"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_that_is_cut_short_is_refused(tmp_path, mode):
    path = pack(tmp_path / "x.tar", *(member(f"a/{n}", bytes(3000)) for n in range(9)), mode=mode)
    whole = path.read_bytes()
    for share in (0.3, 0.5, 0.7):
        path.write_bytes(whole[: int(len(whole) * share) // 512 * 512 or len(whole) // 2])

        assert told(path).startswith(f"{path} is damaged: ")


def test_an_archive_with_a_broken_header_is_refused(tmp_path):
    path = pack(tmp_path / "x.tar", *(member(f"a/{n}", b"x") for n in range(3)))
    spoiled = bytearray(path.read_bytes())
    spoiled[1024 + 148] ^= 1
    path.write_bytes(spoiled)

    assert told(path) == (
        f"{path} is damaged: it ends before its end, or a header is broken; pack it or fetch it "
        "anew"
    )


def test_an_archive_that_changes_while_it_is_read_is_told(tmp_path):
    path = pack(tmp_path / "x.tar", PHOTO)
    listing = source.listing(path)
    pack(path, PHOTO, PHOTO)

    with pytest.raises(BadInput) as caught:
        contents(listing)
    assert str(caught.value) == (
        f"{path} has changed since it was first looked at; push again once it rests"
    )
